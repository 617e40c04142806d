"""A primary that became a standby under its clients, as after a failover."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from runtime.async_database import AsyncConnection
from runtime.database import create_database_engine

WRITE = "CREATE TABLE IF NOT EXISTS written ()"


@pytest.fixture
def database(database_url, engine):
    """A database of its own; the returned function demotes and promotes it for new sessions."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE failover"))

        def demote(value):
            statement = f"ALTER DATABASE failover SET default_transaction_read_only = {value}"
            connection.execute(text(statement))

        yield make_url(database_url).set(database="failover").render_as_string(False), demote
        connection.execute(text("DROP DATABASE failover WITH (FORCE)"))


def test_a_pool_connects_again(database):
    url, demote = database
    engine = create_database_engine(url)
    demote("on")
    with pytest.raises(OperationalError, match="read-only"), engine.begin() as connection:
        connection.execute(text(WRITE))
    demote("off")

    with engine.begin() as connection:
        connection.execute(text(WRITE))

    engine.dispose()


def test_an_async_connection_connects_again_within_one_use(database):
    url, demote = database

    async def main():
        connection = AsyncConnection(url)
        demote("on")
        await connection.run(lambda opened: opened.execute("SELECT 1"))
        demote("off")
        await connection.run(lambda opened: opened.execute(WRITE))
        await connection.close()

    asyncio.run(main())


def test_a_database_that_stays_read_only_is_unavailable(database):
    url, demote = database
    demote("on")

    async def main():
        connection = AsyncConnection(url)
        try:
            await connection.run(lambda opened: opened.execute(WRITE))
        finally:
            await connection.close()

    with pytest.raises(psycopg.OperationalError, match="read-only"):
        asyncio.run(main())
