"""SIGTERM: the platform takes the machine away."""

from __future__ import annotations

import signal
import time

import pytest
from sqlalchemy import func, select

from jobs.states import Outcome, State
from jobs.tables import Worker
from tests.waiting import until

WINDOW_SECONDS = 4


@pytest.fixture
def worker(crew):
    return crew.hire(KINOMILL_DRAIN_WINDOW=str(WINDOW_SECONDS))


def signed_in(crew):
    with crew.sessions() as session:
        return session.scalar(select(func.count()).select_from(Worker))


def test_f20_a_job_that_fits_into_the_drain_is_finished_and_no_other_is_taken(crew, worker):
    """F20: the rest of the job is shorter than the window."""
    job_id = crew.submit(steps=40)
    until(lambda: crew.job(job_id).progress.get("step", 0) >= 15, what="the pace to be known")

    worker.process.send_signal(signal.SIGTERM)
    other = crew.submit()
    status = worker.process.wait(20)

    assert status == 0
    assert crew.job(job_id).state == State.SUCCEEDED
    assert crew.outcomes(job_id) == [Outcome.SUCCEEDED]
    assert (crew.job(other).state, crew.job(other).attempt) == (State.QUEUED, 0)
    assert signed_in(crew) == 0


@pytest.mark.parametrize("act", ["steps", "wait_deaf"])
def test_f21_a_job_that_does_not_fit_is_given_back_and_counts_as_no_loss(crew, worker, act):
    """F21: the job is longer than the window; it listens between steps, or not at all."""
    job_id = crew.submit("wait_deaf") if act == "wait_deaf" else crew.submit(steps=600)
    crew.running(job_id)

    start = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    until(lambda: crew.job(job_id).state == State.QUEUED, what="the job to be given back")
    worker.process.wait(30)
    seconds = time.monotonic() - start

    job = crew.job(job_id)
    assert seconds < WINDOW_SECONDS + 15
    assert (job.worker_losses, job.preemptions) == (0, 1)
    assert crew.outcomes(job_id) == [Outcome.PREEMPTED]
    assert signed_in(crew) == 0


def test_f21_a_job_that_was_given_back_is_done_by_another_worker(crew, worker):
    """F21: at once, not after a lease."""
    job_id = crew.submit("wait")
    crew.running(job_id)
    crew.hire("heir")

    worker.process.send_signal(signal.SIGTERM)
    crew.running(job_id, attempt=2)
    crew.gate.touch()
    job = crew.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert crew.outcomes(job_id) == [Outcome.PREEMPTED, Outcome.SUCCEEDED]
    assert crew.published_once(job_id)


def test_f21_a_child_stuck_in_c_does_not_hold_up_the_end_of_the_worker(crew, worker):
    """F21: no guard can speak for it; the parent gives its job back and kills it."""
    job_id = crew.submit("hold_the_gil")
    until(lambda: crew.job(job_id).attempt == 1, what="the claim")

    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(WINDOW_SECONDS + 25)

    job = crew.job(job_id)
    assert job.state == State.QUEUED
    assert worker.children() == []
    assert crew.outcomes(job_id) in ([Outcome.PREEMPTED], [Outcome.LOST])


@pytest.mark.parametrize("away", ["broker", "database"])
def test_f21_a_worker_told_to_stop_while_a_server_is_away_ends_all_the_same(crew, worker, away):
    """F21: a whole deployment that goes down stops its servers, too, and perhaps first."""
    job_id = crew.submit(steps=600)
    crew.running(job_id)
    servers = crew.servers

    (servers.kill_broker if away == "broker" else servers.stop_database)()
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(WINDOW_SECONDS + 30)
    (servers.start_broker if away == "broker" else servers.start_database)()

    until(lambda: crew.job(job_id).state == State.QUEUED, what="the job to be queued again")
    assert worker.children() == []
    assert len(crew.outcomes(job_id)) == 1
