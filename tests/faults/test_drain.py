"""SIGTERM: the worker drains before the platform stops its machine."""

from __future__ import annotations

import signal

import pytest
from sqlalchemy import func, select

from jobs.states import Outcome, State
from jobs.tables import Worker
from tests.waiting import until

WINDOW_SECONDS = 4


@pytest.fixture
def worker(cluster):
    return cluster.start_worker(KINOMILL_DRAIN_WINDOW=str(WINDOW_SECONDS))


def registered(cluster):
    with cluster.sessions() as session:
        return session.scalar(select(func.count()).select_from(Worker))


def test_f20_a_job_that_fits_into_the_drain_finishes_and_no_other_starts(cluster, worker):
    """F20: the rest of the job is shorter than the window."""
    job_id = cluster.submit(steps=40)
    until(
        lambda: cluster.job(job_id).progress.get("step", 0) >= 15,
        what="enough steps for an estimate",
    )

    worker.process.send_signal(signal.SIGTERM)
    other = cluster.submit()
    status = worker.process.wait(20)

    assert status == 0
    assert cluster.job(job_id).state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.SUCCEEDED]
    assert (cluster.job(other).state, cluster.job(other).attempt) == (State.QUEUED, 0)
    assert registered(cluster) == 0


@pytest.mark.parametrize("act", ["steps", "wait_without_report"])
def test_f21_a_job_that_does_not_fit_is_preempted_and_not_counted_as_a_loss(cluster, worker, act):
    """F21: the job is longer than the window; it checks for signals between steps, or never."""
    job_id = (
        cluster.submit("wait_without_report")
        if act == "wait_without_report"
        else cluster.submit(steps=600)
    )
    cluster.running(job_id)

    worker.process.send_signal(signal.SIGTERM)
    until(lambda: cluster.job(job_id).state == State.QUEUED, what="the job to be preempted")
    worker.process.wait(30)

    job = cluster.job(job_id)
    assert (job.worker_losses, job.preemptions) == (0, 1)
    assert cluster.outcomes(job_id) == [Outcome.PREEMPTED]
    assert registered(cluster) == 0


def test_f21_a_preempted_job_is_run_by_another_worker(cluster, worker):
    """F21: at once, not after a lease."""
    job_id = cluster.submit("wait")
    cluster.running(job_id)
    cluster.start_worker("heir")

    worker.process.send_signal(signal.SIGTERM)
    cluster.running(job_id, attempt=2)
    cluster.gate.touch()
    job = cluster.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.PREEMPTED, Outcome.SUCCEEDED]
    assert cluster.published_once(job_id)


def test_f21_a_child_stuck_in_c_does_not_delay_the_end_of_the_worker(cluster, worker):
    """F21: its lease keeper cannot run; the parent preempts the job and kills the child."""
    job_id = cluster.submit("hold_the_gil")
    until(lambda: cluster.job(job_id).attempt == 1, what="the claim")

    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(WINDOW_SECONDS + 25)

    job = cluster.job(job_id)
    assert job.state == State.QUEUED
    assert worker.children() == []
    assert cluster.outcomes(job_id) in ([Outcome.PREEMPTED], [Outcome.LOST])


@pytest.mark.parametrize("down", ["broker", "database"])
def test_f21_a_worker_stopped_during_an_outage_ends_in_time(cluster, worker, down):
    """F21: when a whole deployment stops, its servers may stop first."""
    job_id = cluster.submit(steps=600)
    cluster.running(job_id)
    servers = cluster.servers

    (servers.kill_broker if down == "broker" else servers.stop_database)()
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(WINDOW_SECONDS + 30)
    (servers.start_broker if down == "broker" else servers.start_database)()

    until(lambda: cluster.job(job_id).state == State.QUEUED, what="the job to be queued again")
    assert worker.children() == []
    assert len(cluster.outcomes(job_id)) == 1
