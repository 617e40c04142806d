"""A connection that outlives its server's restarts, and keeps its prepared statements."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from types import SimpleNamespace

import psycopg
import pytest

from runtime import async_database
from runtime.async_database import AsyncConnection, DatabaseTimeout
from tests.api.serving import closed_port


def run(url, *uses):
    """Run these uses of one connection, one after another; returns the results."""

    async def main():
        connection = AsyncConnection(url)
        try:
            return [await connection.run(use) for use in uses]
        finally:
            await connection.close()

    return asyncio.run(main())


async def backend(connection):
    cursor = await connection.execute("SELECT pg_backend_pid()")
    return (await cursor.fetchone())[0]


def test_all_uses_share_one_connection_and_its_prepared_statements(database_url):
    async def prepared(connection):
        await connection.execute("SELECT 1 WHERE %s", (True,))
        cursor = await connection.execute("SELECT count(*) FROM pg_prepared_statements")
        return (await cursor.fetchone())[0]

    first, again, count = run(database_url, backend, backend, prepared)

    assert first == again
    assert count >= 2


def test_a_closed_connection_is_opened_again(database_url, engine):
    def kill(pid):
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT pg_terminate_backend(%s)", (pid,))

    async def main():
        connection = AsyncConnection(database_url)
        pid = await connection.run(backend)
        await asyncio.to_thread(kill, pid)
        other = await connection.run(backend)
        await connection.close()
        return pid, other

    pid, other = asyncio.run(main())

    assert pid != other


def test_plans_are_made_again_ever_more_seldom(database_url, engine, monkeypatch):
    now = 0.0
    monkeypatch.setattr(async_database, "time", SimpleNamespace(monotonic=lambda: now))

    async def nothing(connection):
        return connection.info.backend_pid

    def last_statement(pid):
        query = "SELECT query FROM pg_stat_activity WHERE pid = %s"
        with engine.connect() as connection:
            return connection.exec_driver_sql(query, (pid,)).scalar()

    async def main():
        nonlocal now
        connection = AsyncConnection(database_url)
        replanned = []
        for now in range(20):
            pid = await connection.run(nothing)
            if last_statement(pid) == "DISCARD PLANS":
                replanned.append(now)
                await connection.run(backend)
        await connection.close()
        return replanned

    assert asyncio.run(main()) == [1, 3, 7, 15]


def test_a_connection_that_breaks_in_its_first_use_is_opened_again(database_url):
    tries = []

    async def break_once(connection):
        tries.append(1)
        if len(tries) == 1:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return await backend(connection)

    assert run(database_url, break_once)[0] > 0
    assert len(tries) == 2


def test_an_unreachable_server_is_an_error():
    url = f"postgresql+psycopg://nobody@127.0.0.1:{closed_port()}/kinomill"

    with pytest.raises(psycopg.OperationalError):
        run(url, backend)


def test_a_use_that_takes_too_long_is_ended_and_the_next_one_works(database_url, monkeypatch):
    async def main():
        connection = AsyncConnection(database_url)
        monkeypatch.setattr(async_database, "TIMEOUT_SECONDS", 0.2)
        with pytest.raises(DatabaseTimeout):
            await connection.run(lambda opened: opened.execute("SELECT pg_sleep(20)"))
        monkeypatch.setattr(async_database, "TIMEOUT_SECONDS", 10)
        pid = await connection.run(backend)
        await connection.close()
        return pid

    assert asyncio.run(main()) > 0


def test_uses_of_a_server_that_hangs_end_at_the_same_time(database_url, monkeypatch):
    """Psycopg waited 10 s more for the cancellation of the first, the others for each other."""

    async def main():
        connection = AsyncConnection(database_url)
        pid = await connection.run(backend)
        monkeypatch.setattr(async_database, "TIMEOUT_SECONDS", 0.5)
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        try:
            uses = [connection.run(backend) for _ in range(5)]
            errors = await asyncio.gather(*uses, return_exceptions=True)
        finally:
            os.kill(pid, signal.SIGCONT)
        seconds = time.monotonic() - began
        monkeypatch.setattr(async_database, "TIMEOUT_SECONDS", 10)
        other = await connection.run(backend)
        await connection.close()
        return errors, seconds, pid != other

    errors, seconds, reopened = asyncio.run(main())

    assert [type(error) for error in errors] == [DatabaseTimeout] * 5
    assert seconds < 3
    assert reopened


def test_an_error_in_a_statement_is_not_repeated(database_url):
    tries = []

    async def broken(connection):
        tries.append(1)
        await connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        run(database_url, backend, broken)

    assert len(tries) == 1
