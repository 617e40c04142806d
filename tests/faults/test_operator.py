"""An operator pauses a queue or drains a worker, and the worker is killed: nothing is lost."""

from __future__ import annotations

import os
import signal

from sqlalchemy import select

from jobs.control import pauses
from jobs.fleet import worker_registry
from jobs.states import Outcome, State
from jobs.tables import Worker
from tests.waiting import until


def names(cluster):
    with cluster.sessions() as session:
        return set(session.scalars(select(Worker.name)))


def models_of(cluster, name):
    with cluster.sessions() as session:
        return session.get_one(Worker, name).models


def set_drained(cluster, name, *, drained):
    with cluster.sessions.begin() as session:
        assert worker_registry.set_drained(session, name, drained=drained)


def set_paused(cluster, *, paused):
    with cluster.sessions.begin() as session:
        pauses.pause(session, "faulty") if paused else pauses.resume(session, "faulty")


def test_a_job_whose_worker_dies_in_a_pause_waits_and_is_run_after_it(cluster):
    cluster.start_worker()
    cluster.start_maintenance()
    job_id = cluster.submit("wait")
    pid = cluster.running(job_id)
    set_paused(cluster, paused=True)

    os.kill(pid, signal.SIGKILL)
    until(lambda: cluster.job(job_id).state == State.QUEUED, seconds=30, what="the recovery")
    other = cluster.submit(steps=1)
    cluster.gate.touch()
    until(lambda: cluster.pending_messages() == 0, what="the worker to take the message")
    assert (cluster.job(job_id).attempt, cluster.job(other).attempt) == (1, 0)

    set_paused(cluster, paused=False)
    assert cluster.ended(job_id).state == cluster.ended(other).state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert cluster.published_once(job_id)


def test_a_drained_worker_finishes_its_job_and_takes_none_until_it_is_resumed(cluster):
    cluster.start_worker()
    cluster.start_maintenance()
    [name] = names(cluster)
    own = cluster.submit("wait")
    cluster.running(own)

    set_drained(cluster, name, drained=True)
    until(lambda: models_of(cluster, name) == [], what="the worker to leave its queues")
    waiting = cluster.submit(steps=1)
    cluster.gate.touch()

    assert cluster.ended(own).state == State.SUCCEEDED
    assert cluster.outcomes(own) == [Outcome.SUCCEEDED]
    until(lambda: cluster.pending_messages() > 0, what="a message that nobody takes")
    assert cluster.job(waiting).attempt == 0

    set_drained(cluster, name, drained=False)
    assert cluster.ended(waiting).state == State.SUCCEEDED


def test_the_job_of_a_drained_worker_that_is_killed_is_run_by_another_one(cluster):
    drained = cluster.start_worker()
    cluster.start_maintenance()
    [name] = names(cluster)
    job_id = cluster.submit("wait")
    cluster.running(job_id)
    set_drained(cluster, name, drained=True)
    cluster.start_worker("heir")

    os.kill(drained.process.pid, signal.SIGKILL)
    cluster.running(job_id, attempt=2)
    cluster.gate.touch()

    assert cluster.ended(job_id).state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.LOST, Outcome.SUCCEEDED]
    assert cluster.published_once(job_id)
