"""A real worker: its parent always answers, its child may die, and no job is lost."""

from __future__ import annotations

import os
import signal

import pytest
from celery import Celery

from jobs.queue.broker import message_for
from jobs.states import Event, Outcome, State
from jobs.tables import Worker
from tests.jobs import build
from tests.waiting import until
from tests.workers.process import (
    alive,
    ended,
    keeper,
    maps,
    outcomes,
    requeued,
    running_pid,
    videos,
)

pytestmark = pytest.mark.acceptance

GPU_AND_MEDIA = ("torch", "cv2", "libav", "numpy")


@pytest.fixture(scope="module")
def worker(start_worker):
    return start_worker("steady", broker=1)


def test_the_parent_answers_while_a_job_runs_and_carries_no_media_library(
    worker, submit_to, sessions, gate
):
    job_id = submit_to(worker, "wait_without_report", gate=gate)
    pid = running_pid(sessions, job_id)

    with Celery(broker=worker.broker_url, set_as_current=False) as app:
        running_tasks = app.control.ping(destination=[worker.name], timeout=10, limit=1)

    assert running_tasks == [{worker.name: {"ok": "pong"}}]
    assert pid in worker.children()
    libraries = maps(worker.process.pid)
    assert [name for name in GPU_AND_MEDIA if name in libraries] == []
    gate.touch()
    assert ended(sessions, job_id).state == State.SUCCEEDED


def test_a_killed_child_costs_one_attempt_and_a_few_seconds(
    worker, submit_to, sessions, store, gate
):
    job_id = submit_to(worker, "wait", gate=gate)
    pid = running_pid(sessions, job_id)

    os.kill(pid, signal.SIGKILL)
    gate.touch()
    until(
        lambda: keeper(sessions, worker).run_once() or requeued(sessions, job_id),
        what="the requeue",
    )
    job = ended(sessions, job_id, swept_for=worker)

    assert outcomes(sessions, job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert videos(store, job_id) == [job.result["key"]]
    assert build.events(sessions, job_id).count(Event.PUBLISHED) == 1
    assert build.attempt(sessions, job_id, 2).pid in worker.children()


def test_an_attempt_beyond_its_time_limit_is_killed_and_the_worker_continues(
    worker, submit_to, sessions, gate
):
    slow = submit_to(worker, "wait_without_report", gate=gate, model="hasty")
    job = ended(sessions, slow)
    after = submit_to(worker)

    assert (job.state, job.error["code"], job.attempt) == (State.FAILED, "timeout", 1)
    assert ended(sessions, after).state == State.SUCCEEDED


def test_a_job_that_kills_its_worker_is_tried_three_times_and_blocks_no_other(
    worker, submit_to, sessions
):
    poison, other = submit_to(worker, "die"), submit_to(worker)

    job = ended(sessions, poison, swept_for=worker)

    assert (job.state, job.error["code"]) == (State.FAILED, "worker_lost")
    assert outcomes(sessions, poison) == [Outcome.LOST] * 3
    assert ended(sessions, other, swept_for=worker).state == State.SUCCEEDED


def test_a_canceled_job_leaves_the_child_running_for_the_next(worker, submit_to, sessions, gate):
    job_id = submit_to(worker, "wait", gate=gate)
    pid = running_pid(sessions, job_id)

    build.cancel(sessions, job_id)
    after = submit_to(worker)

    assert ended(sessions, job_id).state == State.CANCELED
    ended(sessions, after)
    assert build.attempt(sessions, after).pid == pid


def test_a_second_message_for_a_running_job_is_dropped(worker, submit_to, sessions, store, gate):
    job_id = submit_to(worker, "wait", gate=gate)
    running_pid(sessions, job_id)

    worker.broker.wake([message_for(build.job(sessions, job_id))], 1000)
    gate.touch()
    ended(sessions, job_id)
    ended(sessions, submit_to(worker))

    assert outcomes(sessions, job_id) == [Outcome.SUCCEEDED]
    assert len(videos(store, job_id)) == 1


def test_a_killed_parent_ends_its_child(start_worker, submit_to, sessions, store, gate):
    mortal = start_worker("mortal", broker=2)
    job_id = submit_to(mortal, "wait", gate=gate)
    pid = running_pid(sessions, job_id)

    mortal.process.kill()
    until(lambda: not alive(pid), what="the end of the child")
    build.expire(sessions, job_id)
    gate.touch()
    heir = start_worker("heir", broker=2)
    job = ended(sessions, job_id, swept_for=heir)

    assert outcomes(sessions, job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert videos(store, job_id) == [job.result["key"]]


def test_an_idle_worker_is_registered_until_it_is_stopped(start_worker, submit_to, sessions):
    idle = start_worker("idle", broker=4)
    ended(sessions, submit_to(idle))
    row = until(lambda: serving(sessions, idle), what="the worker to appear with its models")
    later = until(lambda: seen_again(sessions, idle, row), what="a heartbeat")

    status = idle.terminate()

    assert status == 0
    assert idle.children() == []
    assert (row.pid, set(row.models)) == (idle.process.pid, {"script", "hasty", "preview-lipsync"})
    assert later.started_at == row.started_at
    assert listed(sessions, idle) is None


def listed(sessions, worker):
    with sessions() as session:
        return session.get(Worker, worker.name)


def serving(sessions, worker):
    row = listed(sessions, worker)
    return row if row and len(row.models) == 3 else None


def seen_again(sessions, worker, row):
    now = listed(sessions, worker)
    return now if now.seen_at > row.seen_at else None
