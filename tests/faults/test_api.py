"""The API while its broker is away or full, and when everybody asks at once."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import func, select

from jobs.states import State
from jobs.tables import Job
from tests.api.build import problem
from tests.jobs import build

WISH = {"model": "actor", "input": {"steps": 1}}
KEY = {"Idempotency-Key": "one"}


@pytest.fixture
def client(serve):
    return serve()


def rows(crew):
    with crew.sessions() as session:
        return session.scalar(select(func.count()).select_from(Job))


def submit(client, **headers):
    return client.post("/v1/jobs", json=WISH, headers=headers)


def test_f11_a_job_that_is_submitted_without_a_broker_runs_when_there_is_one(crew, client):
    """F11: 202 and a row, or neither."""
    crew.servers.kill_broker()

    response = submit(client)
    ready = client.get("/readyz")
    crew.servers.start_broker()
    crew.hire()

    assert response.status_code == 202
    assert response.elapsed.total_seconds() < 2
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert crew.ended(response.json()["id"]).state == State.SUCCEEDED


def test_f13_a_job_that_is_submitted_to_a_full_broker_runs_when_it_has_room(crew, client):
    """F13: the answer comes at once all the same."""
    with crew.servers.full_broker():
        response = submit(client)
    crew.hire()

    assert response.status_code == 202
    assert crew.ended(response.json()["id"]).state == State.SUCCEEDED


def test_f10_the_api_shows_jobs_while_the_broker_is_empty(crew, client):
    """F10: status comes from PostgreSQL."""
    job_id = submit(client).json()["id"]

    crew.servers.redis.flushall()

    assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"


def test_f14_the_api_says_so_while_the_database_is_away_and_recovers(crew, client):
    """F14: no answer that promises what is not written down."""
    crew.servers.stop_database()
    refused = submit(client)
    ready = client.get("/readyz")
    crew.servers.start_database()
    accepted = submit(client)

    assert problem(refused, 503, "database_unavailable")["retryable"]
    assert ready.status_code == 503
    assert accepted.status_code == 202
    assert rows(crew) == 1


def test_f29_twenty_requests_at_once_with_one_key_make_one_job(crew, client):
    """F29: one is the first, the others are replays."""
    responses = build.at_once(*[lambda: submit(client, **KEY)] * 20)

    replayed = Counter(response.headers.get("Idempotency-Replayed") for response in responses)
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["id"] for response in responses}) == 1
    assert replayed == {None: 1, "true": 19}
    assert rows(crew) == 1


def test_f30_the_same_key_with_another_body_is_refused(crew, client):
    """F30: and makes no row."""
    submit(client, **KEY)

    other = WISH | {"input": {"steps": 2}}
    response = client.post("/v1/jobs", json=other, headers=KEY)

    assert not problem(response, 422, "idempotency_mismatch")["retryable"]
    assert rows(crew) == 1


LIMITS = [
    pytest.param({"max_active_per_account": 5}, 429, "account_limit", id="account"),
    pytest.param({"max_queue_length": 5}, 503, "queue_full", id="queue"),
]


@pytest.mark.parametrize(("limits", "status", "code"), LIMITS)
def test_f31_a_job_beyond_the_limit_is_refused_without_a_row(crew, serve, limits, status, code):
    """F31: limit five, ten submissions, no worker."""
    client = serve(**limits)

    responses = [submit(client) for _ in range(10)]

    assert [response.status_code for response in responses] == [202] * 5 + [status] * 5
    for refused in responses[5:]:
        assert problem(refused, status, code)["retryable"]
        assert int(refused.headers["Retry-After"]) > 0
    assert rows(crew) == 5


def test_f31_ten_submissions_at_once_do_not_slip_past_the_limit_of_an_account(crew, serve):
    """F31: a limit that is looked at and passed at the same moment is none."""
    client = serve(max_active_per_account=5)

    responses = build.at_once(*[lambda: submit(client)] * 10)

    assert Counter(response.status_code for response in responses) == {202: 5, 429: 5}
    assert rows(crew) == 5
