"""The parent's heartbeat thread: registration, a database outage, and stuck children."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import delete, func
from structlog.testing import capture_logs

from jobs.fleet import worker_registry
from jobs.fleet.worker_registry import WeightsState
from jobs.fleet.worker_resources import VolumeUsage, WorkerResources
from jobs.states import Outcome, State
from jobs.tables import Job, Worker
from tests.jobs import build
from tests.waiting import until
from workers.parent import heartbeat as module
from workers.parent.heartbeat import (
    RunningTask,
    WorkerHeartbeat,
    WorkerStatus,
    longest_drain,
)

NAME = "create_heartbeat@test"
TASK_ID = "job_x:1"


@pytest.fixture
def create_heartbeat(link_sessions, sessions, settings):
    """Create heartbeats with a short interval; they are stopped at the end."""
    created = []

    def create(factory=sessions, *, running_tasks=lambda: [], **changes):
        quick = {"worker_heartbeat_interval": timedelta(seconds=0.05), "cancel_grace": timedelta(0)}
        own = settings.model_copy(update=quick | changes)
        heartbeat = WorkerHeartbeat(
            NAME, factory, own, lambda: WorkerStatus(("script",)), running_tasks
        )
        created.append(heartbeat)
        return heartbeat

    with sessions.begin() as session:
        session.execute(delete(Worker))
    yield create
    for heartbeat in created:
        heartbeat.stop()


@pytest.fixture
def child(sessions):
    """A process that stands for a worker's child, and the task that it runs."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    lease = build.started(sessions, worker=NAME, pid=process.pid, task_id=TASK_ID)
    yield process, RunningTask(TASK_ID, process.pid), lease.job_id
    process.kill()
    process.wait()


def row(sessions):
    with sessions() as session:
        return session.get(Worker, NAME)


def test_a_worker_is_registered_seen_again_and_deregistered(create_heartbeat, sessions):
    heartbeat = create_heartbeat()

    heartbeat.start()
    first = until(lambda: row(sessions), what="the worker to appear")
    until(lambda: row(sessions).seen_at > first.seen_at, what="a heartbeat")
    heartbeat.stop()

    assert first.models == ["script"]
    assert row(sessions) is None


def test_a_change_does_not_wait_for_the_next_heartbeat(create_heartbeat, sessions, monkeypatch):
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    shown = [WorkerStatus(())]
    heartbeat = create_heartbeat(worker_heartbeat_interval=timedelta(seconds=10))
    heartbeat.status = lambda: shown[-1]
    heartbeat.start()
    first = until(lambda: row(sessions), what="the worker to appear")

    weights = {
        "script": worker_registry.WeightsStatus(
            state=WeightsState.DOWNLOADING, done_bytes=7, total_bytes=9
        )
    }
    shown.append(WorkerStatus(("script",), weights, evictions=2, changing=True))
    changed = until(lambda: row(sessions).evictions and row(sessions), seconds=5, what="the change")
    until(lambda: row(sessions).seen_at > changed.seen_at, seconds=5, what="an early heartbeat")

    assert (first.models, first.weights) == ([], {})
    assert changed.models == ["script"]
    assert (
        worker_registry.WeightsStatus.model_validate(changed.weights["script"]) == weights["script"]
    )


def test_disks_and_gpus_are_reported_but_a_change_of_them_is_not_written_at_once(
    create_heartbeat, sessions, monkeypatch
):
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    usage = VolumeUsage(free_bytes=7, size_bytes=9)
    asked = []
    heartbeat = create_heartbeat(worker_heartbeat_interval=timedelta(seconds=60))
    heartbeat.resources = lambda: asked.append(1) or WorkerResources(volumes={"scratch": usage})
    polls = []
    heartbeat.on_poll = lambda: polls.append(1)
    heartbeat.start()
    until(lambda: len(polls) > 5, what="polls")

    assert WorkerResources.model_validate(row(sessions).resources).volumes == {"scratch": usage}
    assert len(asked) == 1


def test_a_worker_whose_row_was_deleted_is_registered_again(create_heartbeat, sessions):
    heartbeat = create_heartbeat()
    heartbeat.start()
    until(lambda: row(sessions), what="the worker to appear")

    with sessions.begin() as session:
        worker_registry.deregister(session, NAME, instance=heartbeat.instance)

    assert until(lambda: row(sessions), what="the worker to appear again")


def test_a_repeated_drain_is_stored_once(create_heartbeat, sessions):
    heartbeat = create_heartbeat()
    heartbeat.start()
    heartbeat.drain()
    first = until(lambda: row(sessions) and row(sessions).draining_until, what="the drain")

    heartbeat.drain()
    seen = row(sessions).seen_at
    until(lambda: row(sessions).seen_at > seen, what="a heartbeat")

    assert row(sessions).draining_until == first


def test_a_drain_during_a_database_outage_is_stored_afterwards(
    create_heartbeat, sessions, link_sessions, database_link
):
    heartbeat = create_heartbeat(link_sessions)
    heartbeat.start()
    until(lambda: row(sessions), what="the worker to appear")

    with capture_logs() as logs:
        database_link.cut(sessions)
        heartbeat.drain()
        until(lambda: any("unavailable" in entry["event"] for entry in logs), what="a miss")
    database_link.restore()

    assert until(lambda: row(sessions).draining_until, what="the drain")


def test_a_worker_stops_during_a_database_outage(
    create_heartbeat, sessions, link_sessions, database_link
):
    heartbeat = create_heartbeat(link_sessions)
    heartbeat.start()
    until(lambda: row(sessions), what="the worker to appear")

    database_link.cut(sessions)
    heartbeat.stop()
    database_link.restore()

    assert not heartbeat._thread.is_alive()


def test_an_unexpected_error_does_not_end_the_heartbeats(create_heartbeat, sessions):
    odd = iter([ValueError("unheard of")])

    def running_tasks():
        for error in odd:
            raise error
        return []

    with capture_logs() as logs:
        create_heartbeat(running_tasks=running_tasks).start()
        until(lambda: row(sessions), what="the worker to appear")
        first = row(sessions).seen_at
        until(lambda: row(sessions).seen_at > first, what="a heartbeat")

    assert any(entry.get("exc_info") for entry in logs)


def test_a_child_whose_canceled_job_does_not_stop_is_killed(create_heartbeat, sessions, child):
    process, task, job_id = child
    create_heartbeat(running_tasks=lambda: [task]).start()
    until(lambda: row(sessions), what="the worker to appear")
    assert process.poll() is None

    build.cancel(sessions, job_id)
    long_ago = func.now() - timedelta(minutes=1)
    build.change(sessions, [job_id], cancel_requested_at=long_ago)

    assert process.wait(10) == -signal.SIGKILL


def test_a_child_whose_job_has_ended_and_was_deleted_is_killed(
    create_heartbeat, sessions, child, monkeypatch
):
    process, task, job_id = child
    monkeypatch.setattr(module, "KILL_MARGIN", timedelta(0))
    create_heartbeat(running_tasks=lambda: [task]).start()
    first = until(lambda: row(sessions), what="the worker to appear")
    until(lambda: row(sessions).seen_at > first.seen_at, what="a look at the attempt")

    with sessions.begin() as session:
        session.execute(delete(Job).where(Job.id == job_id))

    assert process.wait(10) == -signal.SIGKILL


def test_a_child_that_has_ended_already_is_no_error(create_heartbeat, sessions, child):
    process, task, job_id = child
    build.cancel(sessions, job_id)
    long_ago = func.now() - timedelta(minutes=1)
    build.change(sessions, [job_id], cancel_requested_at=long_ago)
    process.kill()
    process.wait()

    with capture_logs() as logs:
        create_heartbeat(running_tasks=lambda: [task]).start()
        until(lambda: len(logs) > 1, what="two rounds")

    assert {entry["log_level"] for entry in logs} <= {"error", "info"}


def test_after_the_drain_window_the_job_is_preempted_and_the_worker_killed(
    create_heartbeat, sessions, child, monkeypatch
):
    process, task, job_id = child
    signals = []
    monkeypatch.setattr(module, "FORCE_AFTER", timedelta(0))
    monkeypatch.setattr(module.os, "kill", lambda pid, number: signals.append((pid, number)))
    heartbeat = create_heartbeat(running_tasks=lambda: [task], drain_window=timedelta(seconds=0.1))

    heartbeat.start()
    heartbeat.drain()
    until(lambda: len(signals) >= 2, what="the end")

    assert signals[:2] == [(process.pid, signal.SIGKILL), (module.os.getpid(), signal.SIGQUIT)]
    job = build.job(sessions, job_id)
    assert (job.state, job.preemptions, job.worker_losses) == (State.QUEUED, 1, 0)
    assert build.attempt(sessions, job.id).outcome == Outcome.PREEMPTED


@pytest.mark.parametrize(("window", "longest"), [(45, 55), (40, 50), (5, 6.25), (1, 1.25)])
def test_a_short_drain_is_ended_by_force_early_enough_for_an_impatient_platform(window, longest):
    assert longest_drain(timedelta(seconds=window)) == timedelta(seconds=longest)
