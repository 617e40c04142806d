"""Jobs that are to end before their time: canceled, stuck, too slow, or out of memory."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.states import Event, Outcome, State
from tests.faults.actor import ALLOCATION, ILLEGAL
from tests.jobs import build
from tests.waiting import until
from tests.workers.process import alive

STEP = timedelta(seconds=0.1)


def pid_of(crew, job_id, attempt=1):
    return build.attempt(crew.sessions, job_id, attempt).pid


def test_f22_a_queued_job_is_canceled_at_once_and_its_call_is_dropped(crew):
    """F22: cancel before any worker is there."""
    job_id = crew.submit()

    canceled = build.cancel(crew.sessions, job_id)
    crew.hire()
    after = crew.submit()

    assert canceled.state == State.CANCELED
    assert crew.ended(after).state == State.SUCCEEDED
    assert (crew.job(job_id).state, crew.job(job_id).attempt) == (State.CANCELED, 0)
    assert crew.events(job_id) == [Event.SUBMITTED, Event.CANCELED]


def test_f23_a_running_job_is_canceled_at_its_next_step_and_the_model_stays_warm(crew):
    """F23: cancel between steps, within a step and a second; nobody is killed for it."""
    worker = crew.hire()
    job_id = crew.submit(steps=600, step_seconds=STEP.total_seconds())
    pid = crew.running(job_id)
    loads = worker.log.read_text().count("model loaded")

    asked = build.cancel(crew.sessions, job_id)
    job = crew.ended(job_id, seconds=5)
    after = crew.submit()
    crew.ended(after)

    assert asked.state == State.RUNNING
    assert job.state == State.CANCELED
    assert job.ended_at - job.cancel_requested_at < timedelta(seconds=1) + STEP
    assert crew.videos(job_id) == []
    assert pid_of(crew, after) == pid
    assert worker.log.read_text().count("model loaded") == loads > 0


@pytest.mark.parametrize("act", ["hang", "hold_the_gil"])
def test_f24_a_job_that_does_not_heed_its_cancel_is_killed(crew, act):
    """F24: stuck with the GIL free (the guard kills), or held in C (the parent kills)."""
    worker = crew.hire()
    job_id = crew.submit(act)
    until(lambda: crew.job(job_id).attempt == 1, what="the claim")
    until(lambda: "model loaded" in worker.log.read_text(), what="the model")
    pid = pid_of(crew, job_id)

    build.cancel(crew.sessions, job_id)
    job = crew.ended(job_id, seconds=30)
    until(lambda: not alive(pid), seconds=30, what="the end of the child")
    after = crew.submit()

    assert job.state == State.CANCELED
    assert crew.ended(after).state == State.SUCCEEDED
    assert pid_of(crew, after) in worker.children()
    assert crew.outcomes(job_id) == [Outcome.CANCELED]


def test_f25_a_job_without_progress_is_given_up_although_its_lease_is_kept(crew):
    """F25: the guard beats on, but no step comes."""
    crew.hire(KINOMILL_MAX_RETRIES="0")
    job_id = crew.submit("hang", model="restless")

    job = crew.ended(job_id)
    after = crew.submit()

    assert (job.state, job.error["code"]) == (State.FAILED, "stalled")
    assert crew.outcomes(job_id) == [Outcome.FAILED]
    assert crew.ended(after).state == State.SUCCEEDED
    assert pid_of(crew, after) != pid_of(crew, job_id)


@pytest.mark.parametrize("act", ["wait", "hold_the_gil"])
def test_f26_a_job_beyond_the_hard_limit_is_killed_by_the_parent(crew, act):
    """F26: the model's time limit, by a job that makes progress and by one that is stuck in C."""
    crew.hire()
    job_id = crew.submit(act, model="hasty")

    job = crew.ended(job_id)
    after = crew.submit()

    assert (job.state, job.error["code"]) == (State.FAILED, "timeout")
    assert job.attempt == 1
    assert crew.ended(after).state == State.SUCCEEDED


@pytest.mark.parametrize(
    ("act", "code", "words"),
    [
        ("run_out_of_memory", "gpu_oom", ALLOCATION),
        ("break_the_context", "internal_error", ILLEGAL),
    ],
)
def test_f27_a_broken_gpu_costs_the_child_and_the_next_job_has_a_clean_one(crew, act, code, words):
    """F27: CUDA out of memory, or an error after which its context is of no more use."""
    worker = crew.hire(KINOMILL_MAX_RETRIES="0")
    job_id = crew.submit(act)

    job = crew.ended(job_id)
    until(lambda: not alive(pid_of(crew, job_id)), what="the end of the child")
    after = crew.submit()

    assert (job.state, job.error["code"]) == (State.FAILED, code)
    assert words in worker.log.read_text()
    assert words not in job.error["detail"]
    assert crew.ended(after).state == State.SUCCEEDED
    assert pid_of(crew, after) != pid_of(crew, job_id)
