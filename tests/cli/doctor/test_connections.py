"""Whether the server has room for all connections."""

from __future__ import annotations

import re
from contextlib import closing, contextmanager

import psycopg
import pytest
from sqlalchemy import func, insert, text
from sqlalchemy.engine import make_url

from bench.service.pgbouncer import PgBouncer
from cli.doctor import database
from cli.doctor.check import Status
from jobs.tables import MaintenanceBeat, Worker
from migrations.upgrade import upgrade
from runtime.database import create_database_engine
from runtime.postgres.pooler import Pooler
from tests.pooler import needs_pgbouncer


@pytest.fixture
def url(engine, database_url):
    """A migrated database of its own, in which nothing runs."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE counted"))
    url = make_url(database_url).set(database="counted").render_as_string(hide_password=False)
    upgrade(url)
    yield url
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE counted WITH (FORCE)"))


@contextmanager
def opened(url, **options):
    engine = create_database_engine(url, **options)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def run(url, *, workers, maintenance=1):
    """Let so many be alive."""
    with opened(url) as connection:
        for number in range(workers):
            values = {"name": str(number), "models": [], "pid": 1, "seen_at": func.now()}
            connection.execute(insert(Worker).values(**values))
        for number in range(maintenance):
            connection.execute(insert(MaintenanceBeat).values(name=str(number)))
        connection.commit()


def found(url, pooler=Pooler.NONE):
    return {result.check: result for result in database.check(url, pooler)}


def test_a_small_installation_fits(url):
    run(url, workers=2)

    result = found(url)["connections"]

    assert result.status is Status.OK
    assert "1 API, 1 maintenance, 2 workers" in result.detail
    assert "more workers" in result.detail


def test_too_many_workers_are_a_warning_that_says_what_to_do(url):
    run(url, workers=30, maintenance=2)

    result = found(url)["connections"]

    assert result.status is Status.WARN
    assert "30 workers" in result.detail
    assert f"up to {16 + 2 * 8 + 30 * 3 + 2}" in result.detail
    assert "max_connections" in result.remedy
    assert "pooler" in result.remedy


def test_processes_of_the_api_are_counted_by_their_connections(url):
    with opened(url, program="api"):
        assert "1 API" in found(url)["connections"].detail


def test_connections_of_other_programs_count(url):
    others = re.compile(r"(\d+) of others")

    def count():
        return int(others.search(found(url)["connections"].detail)[1])

    before = count()
    with closing(psycopg.connect(url.replace("+psycopg", ""), application_name="another")):
        assert count() == before + 1


@needs_pgbouncer
def test_a_pooler_that_is_not_set_is_recognized(url, home):
    with PgBouncer(url, home / "unset") as pooler:
        result = found(pooler.url)["database"]

    assert result.status is Status.FAIL
    assert "KINOMILL_DATABASE_POOLER=transaction" in result.remedy


@needs_pgbouncer
def test_behind_a_pooler_the_settings_of_the_role_are_checked(url, home):
    run(url, workers=200)
    with PgBouncer(url, home / "set") as pooler:
        before = found(pooler.url, Pooler.TRANSACTION)
    upgrade(url, pooler=Pooler.TRANSACTION)
    with PgBouncer(url, home / "set-again") as pooler:
        after = found(pooler.url, Pooler.TRANSACTION)

    assert before["connections"].status is after["connections"].status is Status.OK
    assert "up to 626 to the pooler" in after["connections"].detail
    assert "lock_timeout is 0, not 10s" in before["session settings"].detail
    assert "kinomill migrate" in before["session settings"].remedy
    assert after["session settings"].status is Status.OK
