"""A real worker that drains, or whose child is killed: no job is lost, none runs twice."""

from __future__ import annotations

import signal
from contextlib import contextmanager

import pytest

from jobs.states import Event, Outcome, State
from jobs.tables import Worker
from tests.jobs import build
from tests.waiting import until
from tests.workers.process import ended, outcomes, running_pid, videos

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def worker(start_worker):
    return start_worker("strict", broker=5)


@contextmanager
def draining_process(worker, sessions):
    """Send SIGTERM; begin once the drain is stored, and wait for the end of the worker."""
    worker.process.send_signal(signal.SIGTERM)
    until(lambda: draining(sessions, worker), what="the drain")
    yield
    assert worker.process.wait(60) == 0, worker.log.read_text()


def draining(sessions, worker):
    if not worker.running:
        return True
    with sessions() as session:
        return session.get_one(Worker, worker.name).draining_until


def test_a_job_that_does_not_fit_the_drain_window_is_finished_by_the_next_worker(
    start_worker, submit_to, sessions, store, gate
):
    leaving = start_worker("leaving", broker=7)
    job_id = submit_to(leaving, "stay_at_first_step", gate=gate)
    running_pid(sessions, job_id)

    with draining_process(leaving, sessions):
        until(lambda: build.job(sessions, job_id).state == State.QUEUED, what="the job back")
    job = build.job(sessions, job_id)
    assert (job.worker_losses, job.preemptions, job.retries) == (0, 1, 0)
    assert list(leaving.log.parent.glob("kinomill-attempt-*")) == []

    gate.touch()
    job = ended(sessions, job_id, swept_for=start_worker("heir", broker=7))
    assert outcomes(sessions, job_id) == [Outcome.PREEMPTED, Outcome.SUCCEEDED]
    assert videos(store, job_id) == [job.result["key"]]


def test_a_job_that_fits_the_drain_window_is_finished_first(
    start_worker, submit_to, sessions, gate
):
    busy = start_worker("busy", broker=8)
    job_id = submit_to(busy, "wait", gate=gate)
    running_pid(sessions, job_id)

    with draining_process(busy, sessions):
        gate.touch()

    assert build.job(sessions, job_id).state == State.SUCCEEDED
    assert outcomes(sessions, job_id) == [Outcome.SUCCEEDED]


def test_a_model_that_does_not_report_is_killed_at_the_end_of_the_drain_window(
    start_worker, submit_to, sessions, gate
):
    silent = start_worker("silent", broker=9, KINOMILL_DRAIN_WINDOW="1")
    job_id = submit_to(silent, "wait_without_report", gate=gate)
    running_pid(sessions, job_id)

    with draining_process(silent, sessions):
        until(lambda: build.job(sessions, job_id).state == State.QUEUED, what="the job back")

    assert outcomes(sessions, job_id) == [Outcome.PREEMPTED]
    assert build.job(sessions, job_id).worker_losses == 0


def test_a_child_stuck_in_c_code_is_killed_after_the_drain_window(
    start_worker, submit_to, sessions
):
    stuck = start_worker("stuck", broker=10, KINOMILL_DRAIN_WINDOW="1")
    job_id = submit_to(stuck, "hold_gil")
    until(lambda: build.job(sessions, job_id).attempt == 1, what="the claim")

    stuck.process.send_signal(signal.SIGTERM)

    stuck.process.wait(60)
    assert outcomes(sessions, job_id) == [Outcome.PREEMPTED]
    job = build.job(sessions, job_id)
    assert (job.state, job.worker_losses) == (State.QUEUED, 0)


def test_a_cancel_kills_a_child_that_is_stuck_in_c_code(worker, submit_to, sessions):
    job_id, other = submit_to(worker, "hold_gil"), None
    until(lambda: build.job(sessions, job_id).attempt == 1, what="the claim")

    build.cancel(sessions, job_id)
    other = submit_to(worker)

    assert ended(sessions, job_id, swept_for=worker).state == State.CANCELED
    assert ended(sessions, other, swept_for=worker).state == State.SUCCEEDED
    pids = [build.attempt(sessions, each).pid for each in (job_id, other)]
    assert pids[1] in worker.children()
    assert pids[0] not in worker.children()


def test_a_full_gpu_ends_the_child_but_fails_no_other_job(worker, submit_to, sessions):
    job_id = submit_to(worker, "fill_gpu")
    after = submit_to(worker)

    job, other = ended(sessions, job_id), ended(sessions, after)

    assert (job.state, job.error["code"], job.worker_losses) == (State.FAILED, "gpu_oom", 0)
    assert (other.state, other.attempt) == (State.SUCCEEDED, 1)
    assert build.attempt(sessions, after).pid != build.attempt(sessions, job_id).pid


def test_a_worker_killed_after_the_upload_leaves_only_an_orphan(
    start_worker, submit_to, sessions, store
):
    faulty = start_worker("faulty", broker=11, KINOMILL_FAULT_AT="after_upload")
    job_id = submit_to(faulty)

    job = ended(sessions, job_id, swept_for=faulty)

    assert outcomes(sessions, job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert len(videos(store, job_id)) == 2
    assert job.result["key"] in videos(store, job_id)
    assert build.events(sessions, job_id).count(Event.PUBLISHED) == 1


def test_a_short_visibility_timeout_is_refused_at_the_start(launch_worker):
    hasty = launch_worker("hasty", broker=12, KINOMILL_VISIBILITY_TIMEOUT="4")

    status = hasty.process.wait(60)

    words = hasty.log.read_text()
    assert status != 0
    assert "refusing to start" in words
    assert "visibility_timeout is 4 s" in words
    assert "at least" in words
