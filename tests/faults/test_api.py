"""The API while its broker or database is unavailable, and under concurrent submissions."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import func, select

from jobs.states import State
from jobs.tables import Job
from tests.api.build import problem
from tests.jobs import build

SUBMISSION = {"model": "faulty", "input": {"steps": 1}}
KEY = {"Idempotency-Key": "one"}


@pytest.fixture
def client(serve):
    return serve()


def rows(cluster):
    with cluster.sessions() as session:
        return session.scalar(select(func.count()).select_from(Job))


def submit(client, **headers):
    return client.post("/v1/jobs", json=SUBMISSION, headers=headers)


def test_f11_a_job_that_is_submitted_without_a_broker_runs_when_there_is_one(cluster, client):
    """F11: submitted with 202 and a row, or refused without one."""
    cluster.servers.kill_broker()

    response = submit(client)
    ready = client.get("/readyz")
    cluster.servers.start_broker()
    cluster.start_worker()

    assert response.status_code == 202
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert cluster.ended(response.json()["id"]).state == State.SUCCEEDED


def test_f13_a_job_that_is_submitted_to_a_full_broker_runs_when_it_has_room(cluster, client):
    """F13: the response is not delayed."""
    with cluster.servers.full_broker():
        response = submit(client)
    cluster.start_worker()

    assert response.status_code == 202
    assert cluster.ended(response.json()["id"]).state == State.SUCCEEDED


def test_f10_the_api_shows_jobs_while_the_broker_is_empty(cluster, client):
    """F10: the status comes from PostgreSQL."""
    job_id = submit(client).json()["id"]

    cluster.servers.redis.flushall()

    assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"


def test_f14_the_api_answers_503_while_the_database_is_down_and_recovers(cluster, client):
    """F14: no response confirms a job that is not stored."""
    cluster.servers.stop_database()
    refused = submit(client)
    ready = client.get("/readyz")
    cluster.servers.start_database()
    accepted = submit(client)

    assert problem(refused, 503, "database_unavailable")["retryable"]
    assert ready.status_code == 503
    assert accepted.status_code == 202
    assert rows(cluster) == 1


def test_f29_twenty_concurrent_requests_with_one_key_create_one_job(cluster, client):
    """F29: one creates the job, the others are replays."""
    responses = build.at_once(*[lambda: submit(client, **KEY)] * 20)

    replayed = Counter(response.headers.get("Idempotency-Replayed") for response in responses)
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["id"] for response in responses}) == 1
    assert replayed == {None: 1, "true": 19}
    assert rows(cluster) == 1


def test_f30_the_same_key_with_another_body_is_refused(cluster, client):
    """F30: and creates no row."""
    submit(client, **KEY)

    other = SUBMISSION | {"input": {"steps": 2}}
    response = client.post("/v1/jobs", json=other, headers=KEY)

    assert not problem(response, 422, "idempotency_mismatch")["retryable"]
    assert rows(cluster) == 1


LIMITS = [
    pytest.param({"max_active_per_account": 5}, 429, "account_limit", id="account"),
    pytest.param({"max_queue_length": 5}, 503, "queue_full", id="queue"),
]


@pytest.mark.parametrize(("limits", "status", "code"), LIMITS)
def test_f31_a_job_beyond_the_limit_is_refused_without_a_row(cluster, serve, limits, status, code):
    """F31: limit five, ten submissions, no worker."""
    client = serve(**limits)

    responses = [submit(client) for _ in range(10)]

    assert [response.status_code for response in responses] == [202] * 5 + [status] * 5
    for refused in responses[5:]:
        assert problem(refused, status, code)["retryable"]
        assert int(refused.headers["Retry-After"]) > 0
    assert rows(cluster) == 5


def test_f31_ten_concurrent_submissions_do_not_exceed_the_limit_of_an_account(cluster, serve):
    """F31: the check and the insert are serialized per account."""
    client = serve(max_active_per_account=5)

    responses = build.at_once(*[lambda: submit(client)] * 10)

    assert Counter(response.status_code for response in responses) == {202: 5, 429: 5}
    assert rows(cluster) == 5
