"""Programs behind PgBouncer in transaction mode, which dies and comes back."""

from __future__ import annotations

import os
import signal

import pytest
from sqlalchemy import text

from jobs.states import Event, Outcome, State
from tests.faults.servers import Servers
from tests.pooler import needs_pgbouncer
from tests.waiting import until

pytestmark = needs_pgbouncer


@pytest.fixture(scope="module")
def servers():
    """Here the programs reach PostgreSQL through a pooler."""
    with Servers(pooled=True) as servers:
        yield servers


@pytest.fixture
def pooler(servers):
    """The pooler, which runs again after the test."""
    yield servers.pooler
    if servers.pooler.process is None:
        servers.pooler.start()


def failed_heartbeats(worker):
    return worker.log.read_text().count("heartbeat failed")


def test_a_job_survives_a_kill_of_the_pooler(cluster, pooler):
    worker = cluster.start_worker()
    job_id = cluster.submit("wait")
    cluster.running(job_id)

    pooler.kill()
    until(lambda: failed_heartbeats(worker) >= 1, what="a heartbeat to fail")
    pooler.start()
    cluster.gate.touch()

    assert cluster.ended(job_id).state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.SUCCEEDED]
    assert cluster.published_once(job_id)


def test_an_end_without_the_pooler_is_stored_when_it_is_back(cluster, pooler):
    worker = cluster.start_worker()
    job_id = cluster.submit("wait")
    cluster.running(job_id)

    pooler.kill()
    cluster.gate.touch()
    until(lambda: failed_heartbeats(worker) >= 2, what="heartbeats to fail")
    pooler.start()
    job = cluster.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert cluster.events(job_id).count(Event.PUBLISHED) == 1


def test_a_killed_child_costs_one_attempt(cluster):
    cluster.start_worker()
    job_id = cluster.submit("wait")
    os.kill(cluster.running(job_id), signal.SIGKILL)
    cluster.gate.touch()

    assert cluster.ended(job_id).state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.LOST, Outcome.SUCCEEDED]


def test_a_limit_of_an_account_holds(cluster):
    """The advisory lock of an account lives in a transaction, which one session of the pool has."""
    limit = {"KINOMILL_MAX_RUNNING_PER_ACCOUNT": "1"}
    workers = [cluster.start_worker(**limit), cluster.start_worker("other", **limit)]
    jobs = [cluster.submit("wait") for _ in range(4)]
    states = [State.RUNNING, *[State.QUEUED] * 3]

    until(lambda: sorted(cluster.job(one).state for one in jobs) == sorted(states), what="a job")
    cluster.gate.touch()

    assert {cluster.ended(job_id).state for job_id in jobs} == {State.SUCCEEDED}
    assert all(worker.running for worker in workers)


def test_the_api_takes_and_shows_jobs_and_no_error_outlives_the_pooler(cluster, serve, pooler):
    client = serve()
    body = {"model": "faulty", "input": {"gate": str(cluster.gate)}}

    first = client.post("/v1/jobs", json=body)
    pooler.kill()
    during = client.post("/v1/jobs", json=body)
    pooler.start()
    again = client.post("/v1/jobs", json=body)

    assert first.status_code == again.status_code == 202, first.text
    assert (during.status_code, during.json()["code"]) == (503, "database_unavailable")
    shown = client.get(f"/v1/jobs/{again.json()['id']}").json()
    assert shown["status"] == "queued"
    listed = client.get("/v1/jobs").json()["items"]
    assert {job["id"] for job in listed} == {first.json()["id"], again.json()["id"]}
    assert client.post(f"/v1/jobs/{first.json()['id']}/cancel").json()["status"] == "canceled"
    assert shown["created_at"].endswith(("Z", "+00:00"))


def test_programs_leave_no_state_in_the_sessions_of_the_pool(cluster, serve, servers):
    """No prepared statement, no lock, and few sessions for all."""
    client = serve()
    cluster.start_worker()
    body = {"model": "faulty", "input": {}}
    jobs = [client.post("/v1/jobs", json=body).json()["id"] for _ in range(20)]
    for job_id in jobs:
        assert cluster.ended(job_id).state == State.SUCCEEDED
        assert client.get(f"/v1/jobs/{job_id}").status_code == 200

    engine = servers.pooled_engine()
    found = []
    for _ in range(40):
        with engine.connect() as connection:
            found.append(connection.scalar(text("SELECT count(*) FROM pg_prepared_statements")))
            locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            assert connection.scalar(text(locks)) == 0
            assert connection.scalar(text("SHOW lock_timeout")) == "10s"
            assert connection.scalar(text("SHOW timezone")) == "UTC"
    engine.dispose()
    with servers.engine.connect() as connection:
        sessions = connection.scalar(
            text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kinomill'")
        )

    assert set(found) == {0}
    assert sessions <= 10 + 1 + servers.engine.pool.checkedin()
