"""Submissions over a limit are rejected with Retry-After and store nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import func, select

from jobs.tables import Job
from tests.api.build import MODEL, job_body, png, problem, wav
from tests.api.serving import restored_logging, serving
from tests.jobs.build import cancel, submitted

FILES = {"image": png(), "audio": wav()}


def count(sessions):
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(Job))


def form(client, **headers):
    return client.post("/v1/jobs", data={"model": MODEL}, files=FILES, headers=headers)


def test_an_account_over_its_limit_gets_a_429_with_retry_after(start, sessions, stored):
    client = start(max_active_per_account=5)
    first = [client.post("/v1/jobs", json=job_body()).json()["id"] for _ in range(5)]

    responses = [form(client) for _ in range(5)]

    for response in responses:
        assert problem(response, 429, "account_limit")["retryable"]
        assert response.headers["retry-after"] == "10"
    assert count(sessions) == 5
    assert stored() == []
    cancel(sessions, first[0])
    assert form(client).status_code == 202


def test_a_full_queue_is_a_503_with_retry_after(start, sessions, stored):
    client = start(max_queue_length=5)
    for _ in range(5):
        submitted(sessions, account="somebody else")

    response = form(client)

    assert problem(response, 503, "queue_full")["retryable"]
    assert response.headers["retry-after"] == "60"
    assert count(sessions) == 5
    assert stored() == []


@pytest.mark.parametrize("limit", [{"max_active_per_account": 1}, {"max_queue_length": 1}])
def test_a_replay_succeeds_even_at_the_limit(start, sessions, limit):
    client = start(**limit)
    first = form(client, **{"Idempotency-Key": "one"})

    again = form(client, **{"Idempotency-Key": "one"})
    other = form(client, **{"Idempotency-Key": "two"})

    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    assert other.status_code in {429, 503}


def test_twenty_concurrent_requests_do_not_exceed_the_limit_of_an_account(
    make_settings, sessions, stored
):
    together = threading.Barrier(20)

    def submit(url):
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            together.wait(timeout=10)
            return form(client).status_code

    with (
        restored_logging(),
        serving(make_settings, max_active_per_account=7) as url,
        ThreadPoolExecutor(20) as pool,
    ):
        statuses = list(pool.map(submit, [url] * 20))

    assert sorted(statuses) == [202] * 7 + [429] * 13
    assert count(sessions) == 7
    assert len(stored()) == 14


def test_twenty_equal_requests_fit_into_the_last_place(make_settings, sessions, stored):
    together = threading.Barrier(20)

    def submit(url):
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            together.wait(timeout=10)
            return form(client, **{"Idempotency-Key": "one"}).status_code

    with (
        restored_logging(),
        serving(make_settings, max_active_per_account=1) as url,
        ThreadPoolExecutor(20) as pool,
    ):
        statuses = set(pool.map(submit, [url] * 20))

    assert statuses == {202}
    assert count(sessions) == 1
    assert len(stored()) == 2
