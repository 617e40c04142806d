"""The parent's part in the life of Celery's worker, and what it does for a child that died."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from structlog.testing import capture_logs

from jobs import reaper
from jobs.states import State
from tests.jobs import build
from tests.workers import script
from workers.parent import lifecycle
from workers.parent.heartbeat import RunningTask
from workers.preflight import UnsafeConfiguration
from workers.shared.job_events import JobEventWriter

NAME = "kinomill@test"
TASK_ID = "job_x:1"


@pytest.fixture
def failure_handler(sessions):
    return lifecycle.TaskFailureHandler(NAME, sessions, JobEventWriter(), 3)


def started(sessions, task_id):
    return build.started(sessions, worker=NAME, task_id=task_id)


def test_a_dead_child_does_not_expire_the_lease_of_a_later_attempt(failure_handler, sessions):
    started(sessions, "job_x:2")

    failure_handler(exception=WorkerLostError("signal 9"), task_id="job_x:1")

    with sessions.begin() as session:
        assert reaper.reap(session, max_worker_losses=3) == []


def test_the_lease_of_a_dead_child_expires_at_once(failure_handler, sessions):
    lease = started(sessions, TASK_ID)

    failure_handler(exception=WorkerLostError("signal 9"), task_id=TASK_ID)

    with sessions.begin() as session:
        assert reaper.reap(session, max_worker_losses=3) == [lease.job_id]


def test_a_job_that_exceeded_its_time_limit_fails(failure_handler, sessions):
    lease = started(sessions, TASK_ID)

    failure_handler(exception=TimeLimitExceeded(90.0), task_id=TASK_ID)

    job = build.job(sessions, lease.job_id)
    assert (job.state, job.error["code"]) == (State.FAILED, "timeout")
    assert "90 s" in job.error["detail"]


def test_another_failure_changes_nothing(failure_handler, sessions):
    lease = build.started(sessions, worker=NAME)

    failure_handler(exception=ValueError("odd"), task_id=TASK_ID)

    assert build.job(sessions, lease.job_id).state == State.RUNNING


def test_the_loss_of_an_unknown_job_changes_nothing(failure_handler):
    with capture_logs() as logs:
        failure_handler(exception=WorkerLostError("signal 9"), task_id=TASK_ID)

    assert logs[0]["event"] == "child lost"


def test_a_parent_refuses_a_model_that_exceeds_the_visibility_timeout(worker_app, worker_settings):
    endless = {"endless": replace(script.CARD, time_limit=timedelta(hours=12))}

    with pytest.raises(UnsafeConfiguration, match="visibility_timeout"):
        lifecycle.start(worker_settings, endless, sender=NAME, conf=worker_app.conf)


def test_the_supervisor_follows_celery_s_signals():
    seen = []
    steps = {name: lambda name=name: seen.append(name) for name in ("drain", "stop")}
    lifecycle.follow(SimpleNamespace(on_ready=seen.append, **steps))

    signals.worker_ready.send(sender="the consumer")
    for how in ("Cold", "Warm"):
        signals.worker_shutting_down.send(sender=NAME, sig="SIGTERM", how=how, exitcode=0)
    signals.worker_shutdown.send(sender=None)

    assert seen == ["the consumer", "drain", "stop"]


def test_the_running_tasks_are_those_that_celery_knows():
    class Request(SimpleNamespace):
        __hash__ = object.__hash__

    request = Request(id=TASK_ID, worker_pid=7)
    lifecycle.state.active_requests.add(request)

    assert list(lifecycle.running_tasks()) == [RunningTask(TASK_ID, 7)]


def test_a_heartbeat_updates_the_heartbeat_file(tmp_path):
    lifecycle.touch(tmp_path / "alive")

    assert (tmp_path / "alive").exists()
