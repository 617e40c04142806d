"""Statements that all requests of a moment share: what one of them does to the others."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg

from api.context.statements import Statements
from jobs.queue.admission import Limits
from jobs.states import State
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


def test_a_submission_that_postgresql_refuses_fails_alone(database_url, sessions):
    broken = build.submission(labels={"a": "\0"})

    first, error, last = submit_together(
        database_url, build.submission(), broken, build.submission()
    )

    assert isinstance(error, psycopg.DataError)
    assert [replayed for _, replayed in (first, last)] == [False, False]
    assert build.count(sessions, State.QUEUED) == 2
