"""What a real worker holds open: connections to PostgreSQL, subscriptions in the broker."""

from __future__ import annotations

import pytest
from redis import Redis
from sqlalchemy import text

from jobs.states import State
from runtime.postgres.connections import Installation
from tests.waiting import until
from tests.workers.process import ended

pytestmark = pytest.mark.acceptance

IDLE, BUSY = 2, 3
JOBS = 30
BROKER = 4


@pytest.fixture(scope="module")
def worker(start_worker):
    return start_worker("counted", broker=BROKER, KINOMILL_HEARTBEAT_INTERVAL="0.02")


def connections(engine, worker):
    """How many connections to PostgreSQL the parent and the children of a worker have."""
    pids = [worker.process.pid, *worker.children()]
    query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = ANY(:names)")
    with engine.connect() as connection:
        return connection.scalar(query, {"names": [f"kinomill worker {pid}" for pid in pids]})


def test_a_worker_has_at_most_three_connections_and_keeps_two(
    worker, submit_to, sessions, engine, gate
):
    jobs, counts = [submit_to(worker) for _ in range(JOBS)], []

    def all_ended():
        counts.append(connections(engine, worker))
        return ended(sessions, jobs[-1]).state if len(counts) > 1 else None

    assert until(all_ended, what="the jobs to end") == State.SUCCEEDED
    waiting = submit_to(worker, "wait", gate=gate)
    counts += [connections(engine, worker) for _ in range(200)]
    gate.touch()
    assert ended(sessions, waiting).state == State.SUCCEEDED

    assert max(counts) <= BUSY
    until(lambda: connections(engine, worker) <= IDLE, what="the third one to be closed")
    one = Installation(api=0, maintenance=0, workers=1)
    none = Installation(api=0, maintenance=0, workers=0)
    assert (one.idle - none.idle, one.busy - none.busy) == (IDLE, BUSY)


def test_no_worker_listens_to_what_others_send(worker):
    """Each sends an event every two seconds: with 200 workers that would be 20,000 a second."""
    with Redis.from_url(worker.broker_url) as redis:
        own = [client for client in redis.client_list() if client["db"] == str(BROKER)]

    assert sum(int(client["psub"]) for client in own) == 1, "it listens to more than commands"
