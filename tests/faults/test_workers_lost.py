"""Children and parents that die, hang or freeze: a job survives all of it."""

from __future__ import annotations

import os
import signal
import time

import pytest
from celery import Celery

from jobs.states import Outcome, State
from tests.faults.cluster import LEASE_SECONDS, UNCHECKED, kill
from tests.jobs import build
from tests.waiting import until
from tests.workers.process import alive
from workers.fault_injection import Point


def answers(cluster, worker):
    """The parent's reply to a ping."""
    with Celery(broker=cluster.servers.broker_url, set_as_current=False) as app:
        return app.control.ping(destination=[worker.name], timeout=10, limit=1)


def test_f01_a_killed_child_costs_one_attempt(cluster):
    """F1: SIGKILL of the child while it generates."""
    worker = cluster.start_worker()
    job_id = cluster.submit("wait")
    pid = cluster.running(job_id)

    kill(pid)
    cluster.gate.touch()
    job = cluster.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert job.worker_losses == 1
    assert cluster.outcomes(job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert cluster.published_once(job_id)
    assert build.attempt(cluster.sessions, job_id, 2).pid in worker.children()
    assert answers(cluster, worker) == [{worker.name: {"ok": "pong"}}]


def test_f02_the_child_of_a_killed_parent_dies_and_another_worker_runs_the_job(cluster):
    """F2: SIGKILL of the parent; the job is recovered by its lease, not by the broker."""
    worker = cluster.start_worker()
    job_id = cluster.submit("wait")
    pid = cluster.running(job_id)

    kill(worker.process.pid)
    until(lambda: not alive(pid), what="the end of the child")
    cluster.gate.touch()
    cluster.start_worker("heir")
    job = cluster.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert cluster.published_once(job_id)


def test_f03_a_message_redelivered_after_the_commit_starts_no_attempt(cluster):
    """F3: the worker dies when the job has succeeded but its message is not acknowledged."""
    worker = cluster.start_worker()
    job_id = cluster.submit("wait")
    cluster.running(job_id)

    os.kill(worker.process.pid, signal.SIGSTOP)  # a frozen parent acknowledges nothing
    cluster.gate.touch()
    cluster.ended(job_id)
    kill(worker.process.pid)
    assert cluster.servers.redis.hlen("unacked") == 1
    cluster.start_worker("heir", cards=UNCHECKED, KINOMILL_VISIBILITY_TIMEOUT="1")
    until(
        lambda: cluster.servers.redis.hlen("unacked") == 0, what="the message to be received again"
    )
    after = cluster.submit()

    assert cluster.ended(after).state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.SUCCEEDED]
    assert cluster.published_once(job_id)


def test_f01_a_child_killed_among_several_short_jobs_costs_one_attempt(cluster):
    """F1: SIGKILL of a child in the second of several jobs, which one message may run."""
    ids = [cluster.submit(), cluster.submit("wait"), *(cluster.submit() for _ in range(5))]
    cluster.start_worker()
    pid = cluster.running(ids[1])

    kill(pid)
    cluster.gate.touch()
    jobs = [cluster.ended(job_id) for job_id in ids]

    assert [job.state for job in jobs] == [State.SUCCEEDED] * len(ids)
    assert [job.worker_losses for job in jobs] == [0, 1, *[0] * 5]
    assert all(cluster.published_once(job_id) for job_id in ids)


@pytest.mark.parametrize("point", list(Point))
def test_f03_a_child_killed_between_two_writes_publishes_once(cluster, point):
    """F3: SIGKILL at each fault point of an attempt."""
    cluster.start_worker(KINOMILL_FAULT_AT=point)
    job_id = cluster.submit()

    job = cluster.ended(job_id)
    after = cluster.ended(cluster.submit())
    cluster.sweep_orphans()

    lost = [] if point == Point.AFTER_PUBLISH else [Outcome.LOST]
    assert (job.state, after.state) == (State.SUCCEEDED, State.SUCCEEDED)
    assert cluster.outcomes(job_id) == [*lost, Outcome.SUCCEEDED]
    assert cluster.published_once(job_id)


@pytest.mark.slow
def test_f04_a_slow_replacement_child_is_waited_for(cluster):
    """F4: the new child starts more slowly than the four seconds that Celery waits for."""
    worker = cluster.start_worker(cards=["tests.faults.slow_start:CARD"])
    job_id = cluster.submit("wait")
    first = cluster.running(job_id)

    kill(first)
    cluster.gate.touch()
    job = cluster.ended(job_id, seconds=90)

    assert job.state == State.SUCCEEDED
    assert build.attempt(cluster.sessions, job_id, job.attempt).pid in worker.children()
    assert job.attempt == 2


def test_f05_a_job_that_kills_its_child_fails_and_other_jobs_run(cluster):
    """F5: a poison job."""
    cluster.start_worker()
    poison, other = cluster.submit("die"), cluster.submit()

    job = cluster.ended(poison)

    assert (job.state, job.error["code"]) == (State.FAILED, "worker_lost")
    assert cluster.outcomes(poison) == [Outcome.LOST] * 3
    assert cluster.ended(other).state == State.SUCCEEDED


@pytest.mark.parametrize("act", ["wait", "wait_without_report"])
def test_f16_writes_of_a_worker_frozen_longer_than_its_lease_are_refused(cluster, act):
    """F16: SIGSTOP of the child for far longer than the lease, then SIGCONT."""
    frozen = cluster.start_worker("frozen")
    job_id = cluster.submit(act)
    pid = cluster.running(job_id)
    frozen_at = time.monotonic()

    os.kill(pid, signal.SIGSTOP)
    cluster.start_worker("awake")
    cluster.running(job_id, attempt=2)
    assert time.monotonic() - frozen_at > LEASE_SECONDS * 0.8
    cluster.gate.touch()
    job = cluster.ended(job_id)
    os.kill(pid, signal.SIGCONT)
    others = [cluster.submit(steps=5) for _ in range(4)]

    assert [cluster.ended(other).state for other in others] == [State.SUCCEEDED] * 4
    until(lambda: cluster.published_once(job_id), seconds=20, what="the lost attempt to clean up")
    assert cluster.outcomes(job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert cluster.job(job_id).result == job.result
    assert frozen.running
