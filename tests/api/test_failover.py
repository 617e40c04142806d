"""Connections that end under the API: a caller sees nothing that a second try would have hidden."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.context.calls import DatabaseCalls
from tests.api.build import job_body

END_OWN = text("SELECT pg_terminate_backend(pg_backend_pid())")
END_ALL = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE application_name LIKE 'kinomill api %'"
)


@pytest.fixture
def calls(sessions):
    calls = DatabaseCalls(sessions)
    yield calls
    calls.close()


def test_a_call_whose_connection_ends_is_made_once_more(calls):
    tries = []

    def break_once(session):
        tries.append(1)
        if len(tries) == 1:
            session.execute(END_OWN)
        return session.scalar(text("SELECT 7"))

    assert asyncio.run(calls.run(break_once)) == 7
    assert len(tries) == 2


def test_a_call_that_always_breaks_is_an_error(calls):
    tries = []

    def break_always(session):
        tries.append(1)
        session.execute(END_OWN)

    with pytest.raises(DBAPIError):
        asyncio.run(calls.run(break_always))

    assert len(tries) == 2


def test_an_error_in_a_statement_is_not_repeated(calls):
    tries = []

    def divide(session):
        tries.append(1)
        session.execute(text("SELECT 1 / 0"))

    with pytest.raises(DBAPIError):
        asyncio.run(calls.run(divide))

    assert len(tries) == 1


def test_requests_succeed_after_all_sessions_have_been_ended(start, engine):
    client = start()
    body = job_body()

    def act():
        job = client.post("/v1/jobs", json=body)
        shown = client.get(f"/v1/jobs/{job.json().get('id')}")
        listed = client.get("/v1/jobs")
        canceled = client.post(f"/v1/jobs/{job.json().get('id')}/cancel")
        return [answer.status_code for answer in (job, shown, listed, canceled)]

    assert act() == [202, 200, 200, 202]
    for _ in range(5):
        with engine.begin() as connection:
            assert connection.scalar(END_ALL) >= 2
        assert act() == [202, 200, 200, 202]
