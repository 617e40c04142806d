"""An attempt that ignores its lease keeper is killed with its process."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from jobs import lease as leases
from jobs.fleet import worker_registry
from jobs.states import Outcome, State
from tests.jobs import build
from tests.waiting import until
from workers.child.lease_keeper import KILLED

MODEL = "preview-lipsync"
WITHOUT_REPORTS = """
import sys, threading
from datetime import timedelta
from uuid import uuid4
from runtime.database import create_worker_engine
from jobs.queue.claim import Claimant, claim
from jobs.states import Phase
from workers.child.lease_keeper import LeaseKeeper, LeaseKeeperConfig

url, model, stall = sys.argv[1:]
engine = create_worker_engine(url, transactions=False)
claimant = Claimant(model, model, "w", pid=1, task_id=None, ttl=timedelta(minutes=1))
with engine.begin() as connection:
    lease = claim(connection, claimant, uuid4()).lease
config = LeaseKeeperConfig(
    ttl=timedelta(minutes=1), heartbeat_interval=timedelta(seconds=0.05),
    cancel_grace=timedelta(seconds=0.2),
    stall_limit=timedelta(seconds=float(stall)), max_retries=1, max_preemptions=20,
    preview_seconds=0,
)
with LeaseKeeper(lease, engine, config) as keeper:
    keeper.report(Phase.GENERATING, notes={"width": 832})
    threading.Event().wait(60)
"""


@pytest.fixture
def silent_process(sessions, database_url):
    """Start a process whose main thread never reports; returns its job and the process."""
    running = []

    def start(*, stall):
        job_id = build.submitted(sessions)
        process = subprocess.Popen(
            [sys.executable, "-c", WITHOUT_REPORTS, database_url, MODEL, str(stall)]
        )
        running.append(process)
        until(lambda: build.job(sessions, job_id).attempt, what="the claim")
        return job_id, process

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_a_canceled_attempt_that_does_not_stop_is_killed(sessions, silent_process):
    job_id, process = silent_process(stall=60)

    build.cancel(sessions, job_id)

    assert process.wait(30) == KILLED
    job = build.job(sessions, job_id)
    assert (job.state, job.notes) == (State.CANCELED, {"width": 832})


def test_a_stalled_attempt_that_does_not_stop_is_killed_and_tried_again(sessions, silent_process):
    job_id, process = silent_process(stall=0.2)

    assert process.wait(30) == KILLED
    assert build.job(sessions, job_id).state == State.QUEUED
    attempt = build.attempt(sessions, job_id)
    assert (attempt.outcome, attempt.error["code"]) == (Outcome.RETRIED, "stalled")


def test_an_attempt_without_a_lease_that_does_not_stop_is_killed(sessions, silent_process):
    job_id, process = silent_process(stall=60)
    build.expire(sessions, job_id)
    lost = build.job(sessions, job_id)

    with sessions.begin() as session:
        lease = leases.Lease(job_id, lost.lease_token, 1, lost.model, {})
        leases.preempt(session, lease)
    # the process may hold the row at this moment, which a claim skips
    winner = until(lambda: build.claimed(sessions, job_id), what="a claim")

    assert process.wait(30) == KILLED
    assert build.job(sessions, job_id).lease_token == winner.token


def test_an_attempt_of_a_draining_worker_that_does_not_stop_is_killed_and_preempted(
    sessions, silent_process
):
    job_id, process = silent_process(stall=60)
    with sessions.begin() as session:
        worker_registry.register(session, "w", models=[], pid=1)
        worker_registry.drain(session, "w", window=timedelta(seconds=0.2))

    assert process.wait(30) == KILLED
    with sessions.begin() as session:
        worker_registry.deregister(session, "w")
    job, attempt = build.job(sessions, job_id), build.attempt(sessions, job_id)
    assert (job.state, job.worker_losses, job.preemptions) == (State.QUEUED, 0, 1)
    assert attempt.outcome == Outcome.PREEMPTED
