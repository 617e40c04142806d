"""Statements that all requests of a moment share: what one of them does to the others."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import psycopg
from sqlalchemy import text

from api.context.statements import Statements
from jobs.queue.admission import Limits
from jobs.states import State
from runtime import async_database
from tests.jobs import build

LIMITS = Limits(1000, 1000, timedelta(hours=6))


def submit_together(database_url, *submissions):
    """Submit these in one batch; returns what each call returned or raised."""

    async def main():
        statements = Statements(database_url, LIMITS)
        try:
            calls = [statements.submit(each) for each in submissions]
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            await statements.close()

    return asyncio.run(main())


def test_calls_that_wait_for_a_batch_end_with_those_of_a_batch_that_hangs(
    database_url, sessions, monkeypatch
):
    monkeypatch.setattr(async_database, "TIMEOUT_SECONDS", 0.5)

    async def main():
        statements = Statements(database_url, LIMITS)
        with sessions.begin() as session:
            session.execute(text("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE"))
            began = time.monotonic()
            calls = []
            for _ in range(5):
                calls.append(asyncio.create_task(statements.submit(build.submission())))
                await asyncio.sleep(0.05)  # those after the first two wait for a connection
            errors = await asyncio.gather(*calls, return_exceptions=True)
            seconds = time.monotonic() - began
        await statements.close()
        return errors, seconds

    errors, seconds = asyncio.run(main())

    assert [type(error) for error in errors] == [async_database.DatabaseTimeout] * 5
    assert seconds < 1.4
    assert build.count(sessions, State.QUEUED) == 0


def test_a_submission_that_postgresql_refuses_fails_alone(database_url, sessions):
    broken = build.submission(labels={"a": "\0"})

    first, error, last = submit_together(
        database_url, build.submission(), broken, build.submission()
    )

    assert isinstance(error, psycopg.DataError)
    assert [replayed for _, replayed in (first, last)] == [False, False]
    assert build.count(sessions, State.QUEUED) == 2
