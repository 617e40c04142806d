"""Jobs that end early: canceled, hanging, over the time limit, or out of memory."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.states import Event, Outcome, State
from tests.faults.faulty_model import ALLOCATION, ILLEGAL
from tests.jobs import build
from tests.waiting import until
from tests.workers.process import alive

STEP = timedelta(seconds=0.1)
STEPS = 600


def pid_of(cluster, job_id, attempt=1):
    return build.attempt(cluster.sessions, job_id, attempt).pid


def test_f22_a_queued_job_is_canceled_at_once_and_its_message_is_dropped(cluster):
    """F22: cancel before any worker is started."""
    job_id = cluster.submit()

    canceled = build.cancel(cluster.sessions, job_id)
    cluster.start_worker()
    after = cluster.submit()

    assert canceled.state == State.CANCELED
    assert cluster.ended(after).state == State.SUCCEEDED
    assert (cluster.job(job_id).state, cluster.job(job_id).attempt) == (State.CANCELED, 0)
    assert cluster.events(job_id) == [Event.SUBMITTED, Event.CANCELED]


def test_f23_a_running_job_is_canceled_at_its_next_step_and_the_model_stays_warm(cluster):
    """F23: canceled long before its last step, without killing the child."""
    worker = cluster.start_worker()
    job_id = cluster.submit(steps=STEPS, step_seconds=STEP.total_seconds())
    pid = cluster.running(job_id)
    loads = worker.log.read_text().count("model loaded")

    asked = build.cancel(cluster.sessions, job_id)
    job = cluster.ended(job_id, seconds=30)
    after = cluster.submit()
    cluster.ended(after)

    assert asked.state == State.RUNNING
    assert job.state == State.CANCELED
    assert job.ended_at - job.cancel_requested_at < STEPS * STEP / 2
    assert cluster.videos(job_id) == []
    assert pid_of(cluster, after) == pid
    assert worker.log.read_text().count("model loaded") == loads > 0


@pytest.mark.parametrize("act", ["hang", "hold_the_gil"])
def test_f24_a_job_that_ignores_its_cancel_is_killed(cluster, act):
    """F24: hanging without the GIL (the watchdog kills), or with it (the parent kills)."""
    worker = cluster.start_worker()
    job_id = cluster.submit(act)
    until(lambda: cluster.job(job_id).attempt == 1, what="the claim")
    until(lambda: "model loaded" in worker.log.read_text(), what="the model")
    pid = pid_of(cluster, job_id)

    build.cancel(cluster.sessions, job_id)
    job = cluster.ended(job_id, seconds=30)
    until(lambda: not alive(pid), seconds=30, what="the end of the child")
    after = cluster.submit()

    assert job.state == State.CANCELED
    assert cluster.ended(after).state == State.SUCCEEDED
    assert pid_of(cluster, after) in worker.children()
    assert cluster.outcomes(job_id) == [Outcome.CANCELED]


def test_f25_a_job_without_progress_fails_although_its_lease_is_renewed(cluster):
    """F25: heartbeats continue, but no step is reported."""
    cluster.start_worker(KINOMILL_MAX_RETRIES="0")
    job_id = cluster.submit("hang", model="short-stall")

    job = cluster.ended(job_id)
    after = cluster.submit()

    assert (job.state, job.error["code"]) == (State.FAILED, "stalled")
    assert cluster.outcomes(job_id) == [Outcome.FAILED]
    assert cluster.ended(after).state == State.SUCCEEDED
    assert pid_of(cluster, after) != pid_of(cluster, job_id)


@pytest.mark.parametrize("act", ["wait", "hold_the_gil"])
def test_f26_a_job_beyond_the_hard_limit_is_killed_by_the_parent(cluster, act):
    """F26: a job that makes progress, and one that is stuck in C."""
    cluster.start_worker()
    job_id = cluster.submit(act, model="short-limit")

    job = cluster.ended(job_id)
    after = cluster.submit()

    assert (job.state, job.error["code"]) == (State.FAILED, "timeout")
    assert job.attempt == 1
    assert cluster.ended(after).state == State.SUCCEEDED


@pytest.mark.parametrize(
    ("act", "code", "words"),
    [
        ("run_out_of_memory", "gpu_oom", ALLOCATION),
        ("break_the_context", "internal_error", ILLEGAL),
    ],
)
def test_f27_after_a_gpu_error_the_child_is_replaced_for_the_next_job(cluster, act, code, words):
    """F27: CUDA out of memory, or an error that makes the CUDA context unusable."""
    worker = cluster.start_worker(KINOMILL_MAX_RETRIES="0")
    job_id = cluster.submit(act)

    job = cluster.ended(job_id)
    until(lambda: not alive(pid_of(cluster, job_id)), what="the end of the child")
    after = cluster.submit()

    assert (job.state, job.error["code"]) == (State.FAILED, code)
    assert words in worker.log.read_text()
    assert words not in job.error["detail"]
    assert cluster.ended(after).state == State.SUCCEEDED
    assert pid_of(cluster, after) != pid_of(cluster, job_id)
