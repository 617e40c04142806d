"""Children and parents that die, hang or freeze: a job outlives them all."""

from __future__ import annotations

import os
import signal
import time

import pytest
from celery import Celery

from jobs.states import Outcome, State
from tests.faults.cluster import LEASE_SECONDS, RECKLESS, kill
from tests.jobs import build
from tests.waiting import until
from tests.workers.process import alive
from workers.fault_injection import Point


def answers(crew, worker):
    """What the parent says to a ping."""
    with Celery(broker=crew.servers.broker_url, set_as_current=False) as app:
        return app.control.ping(destination=[worker.name], timeout=10, limit=1)


def test_f01_a_killed_child_costs_one_attempt(crew):
    """F1: SIGKILL of the child in the middle of its work."""
    worker = crew.hire()
    job_id = crew.submit("wait")
    pid = crew.running(job_id)

    kill(pid)
    crew.gate.touch()
    job = crew.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert job.worker_losses == 1
    assert crew.outcomes(job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert crew.published_once(job_id)
    assert build.attempt(crew.sessions, job_id, 2).pid in worker.children()
    assert answers(crew, worker) == [{worker.name: {"ok": "pong"}}]


def test_f02_a_killed_parent_takes_its_child_along_and_another_worker_goes_on(crew):
    """F2: SIGKILL of Celery's parent; the lease brings the job back, not the broker."""
    worker = crew.hire()
    job_id = crew.submit("wait")
    pid = crew.running(job_id)

    kill(worker.process.pid)
    until(lambda: not alive(pid), seconds=2, what="the end of the child")
    crew.gate.touch()
    crew.hire("heir")
    job = crew.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert crew.outcomes(job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert crew.published_once(job_id)


def test_f03_a_call_that_comes_again_after_the_commit_runs_nothing(crew):
    """F3: the worker dies when the job has succeeded but its message is not acknowledged."""
    worker = crew.hire()
    job_id = crew.submit("wait")
    crew.running(job_id)

    os.kill(worker.process.pid, signal.SIGSTOP)  # a frozen parent acknowledges nothing
    crew.gate.touch()
    crew.ended(job_id)
    kill(worker.process.pid)
    assert crew.servers.redis.hlen("unacked") == 1
    crew.hire("heir", cards=RECKLESS, KINOMILL_VISIBILITY_TIMEOUT="1")
    until(lambda: crew.servers.redis.hlen("unacked") == 0, what="the call to be taken again")
    after = crew.submit()

    assert crew.ended(after).state == State.SUCCEEDED
    assert crew.outcomes(job_id) == [Outcome.SUCCEEDED]
    assert crew.published_once(job_id)


@pytest.mark.parametrize("point", list(Point))
def test_f03_a_child_cut_off_between_two_writes_publishes_once(crew, point):
    """F3: SIGKILL in each gap of an attempt, once."""
    crew.hire(KINOMILL_FAULT_AT=point)
    job_id = crew.submit()

    job = crew.ended(job_id)
    after = crew.ended(crew.submit())
    crew.sweep_orphans()

    lost = [] if point == Point.AFTER_PUBLISH else [Outcome.LOST]
    assert (job.state, after.state) == (State.SUCCEEDED, State.SUCCEEDED)
    assert crew.outcomes(job_id) == [*lost, Outcome.SUCCEEDED]
    assert crew.published_once(job_id)


@pytest.mark.slow
def test_f04_a_slow_replacement_child_is_waited_for(crew):
    """F4: the new child needs longer than Celery's four seconds until it can work."""
    worker = crew.hire(cards=["tests.faults.slow_start:CARD"])
    job_id = crew.submit("wait")
    first = crew.running(job_id)

    kill(first)
    crew.gate.touch()
    job = crew.ended(job_id, seconds=90)

    assert job.state == State.SUCCEEDED
    assert build.attempt(crew.sessions, job_id, job.attempt).pid in worker.children()
    assert job.attempt == 2


def test_f05_a_job_that_kills_its_child_is_given_up_and_others_flow(crew):
    """F5: a poison job."""
    crew.hire()
    poison, other = crew.submit("die"), crew.submit()

    job = crew.ended(poison)

    assert (job.state, job.error["code"]) == (State.FAILED, "worker_lost")
    assert crew.outcomes(poison) == [Outcome.LOST] * 3
    assert crew.ended(other).state == State.SUCCEEDED


@pytest.mark.parametrize("act", ["wait", "wait_deaf"])
def test_f16_a_worker_that_was_frozen_longer_than_its_lease_is_refused(crew, act):
    """F16: SIGSTOP of the child for far longer than the lease, then SIGCONT."""
    frozen = crew.hire("frozen")
    job_id = crew.submit(act)
    pid = crew.running(job_id)
    frozen_at = time.monotonic()

    os.kill(pid, signal.SIGSTOP)
    crew.hire("awake")
    crew.running(job_id, attempt=2)
    assert time.monotonic() - frozen_at > LEASE_SECONDS * 0.8
    crew.gate.touch()
    job = crew.ended(job_id)
    os.kill(pid, signal.SIGCONT)
    others = [crew.submit(steps=5) for _ in range(4)]

    assert [crew.ended(other).state for other in others] == [State.SUCCEEDED] * 4
    until(lambda: crew.published_once(job_id), seconds=20, what="the loser to clean up")
    assert crew.outcomes(job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert crew.job(job_id).result == job.result
    assert frozen.running
