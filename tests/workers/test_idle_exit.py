"""Real workers that end when they are idle: no job is lost, and none waits for one that ended."""

from __future__ import annotations

import os
import random
import threading
import time

import pytest
from redis import Redis

from jobs.states import Outcome, State
from jobs.tables import Worker
from maintenance.loop import MaintenanceLoop
from tests.jobs import build
from tests.waiting import until
from tests.workers.process import ended, outcomes, running_pid

pytestmark = pytest.mark.acceptance

LIMIT_SECONDS = 1.0
ROUNDS = int(os.environ.get("KINOMILL_TEST_ROUNDS", "2"))
"""Lives of workers in the race; more are run by hand."""
SCRIPT_ONLY = '["tests.workers.script:CARD"]'


@pytest.fixture
def start_idler(start_worker):
    """Start a worker of one model that ends when it has been idle for a second."""

    def start(name, *, broker, limit=LIMIT_SECONDS):
        return start_worker(
            name, broker=broker, KINOMILL_EXIT_WHEN_IDLE=str(limit), KINOMILL_MODELS=SCRIPT_ONLY
        )

    return start


@pytest.fixture
def maintain(sessions):
    """Run maintenance with short rounds on the broker of a worker."""
    loops = []

    def start(worker):
        loop = MaintenanceLoop(sessions, worker.broker, 3, period_seconds=0.2)
        thread = threading.Thread(target=loop.run)
        thread.start()
        loops.append((loop, thread))

    yield start
    for loop, thread in loops:
        loop.stop()
        thread.join(30)


def registered(sessions, name):
    with sessions() as session:
        return session.get(Worker, name) is not None


@pytest.fixture
def redis_at():
    """Return a client of the broker of a worker."""
    clients = []

    def connect(worker):
        clients.append(Redis.from_url(worker.broker_url))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_an_idle_worker_ends_by_itself_and_a_busy_one_does_not(
    start_idler, submit_to, sessions, gate
):
    worker = start_idler("idler", broker=9)
    job_id = submit_to(worker, "wait", gate=gate)
    running_pid(sessions, job_id)

    time.sleep(3 * LIMIT_SECONDS)
    assert worker.running
    gate.touch()
    job = ended(sessions, job_id)
    status = worker.process.wait(30)

    assert (status, job.state) == (0, State.SUCCEEDED)
    assert outcomes(sessions, job_id) == [Outcome.SUCCEEDED]
    assert worker.children() == []
    assert not registered(sessions, worker.name)
    assert worker.log.read_text().count("nothing to run, ending") == 1


@pytest.mark.slow
def test_a_job_that_comes_as_workers_end_is_run_once_by_them_or_by_others(
    start_idler, start_worker, submit_to, maintain, sessions, redis_at
):
    """Jobs come about as far apart as the limit, so that many meet a worker that is leaving."""
    chance, jobs = random.Random(20), []
    staying = start_worker("staying", broker=10, KINOMILL_MODELS=SCRIPT_ONLY)
    maintain(staying)
    for number in range(ROUNDS):
        pair = [start_idler(f"leaver-{number}-{one}", broker=10) for one in "ab"]
        while any(worker.running for worker in pair):
            jobs.append(submit_to(staying))
            time.sleep(chance.uniform(0.6, 1.6) * LIMIT_SECONDS)
        assert [worker.process.returncode for worker in pair] == [0, 0]

    until(
        lambda: all(State(build.job(sessions, job_id).state).final for job_id in jobs),
        seconds=10,
        what="the end of all jobs",
    )
    assert {build.job(sessions, job_id).state for job_id in jobs} == {State.SUCCEEDED}
    assert [outcomes(sessions, job_id) for job_id in jobs] == [[Outcome.SUCCEEDED]] * len(jobs)
    assert until(lambda: redis_at(staying).hlen("unacked") == 0, what="no message to be held")


def test_wake_ups_that_a_leaving_worker_left_wake_the_next(
    start_idler, submit_to, maintain, sessions, redis_at
):
    """Nothing is lost if the last worker goes: the job is run as soon as there is another."""
    first = start_idler("first-of-two", broker=11)
    ended(sessions, submit_to(first))
    assert first.process.wait(30) == 0

    jobs = [submit_to(first) for _ in range(3)]
    assert redis_at(first).llen("script") == 3
    second = start_idler("second-of-two", broker=11)
    maintain(second)

    assert {ended(sessions, job_id).state for job_id in jobs} == {State.SUCCEEDED}
    assert second.process.wait(30) == 0
    assert redis_at(first).llen("script") == 0
