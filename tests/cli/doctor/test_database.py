"""Checks of real databases."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, insert, text
from sqlalchemy.engine import make_url

from cli.doctor import database
from cli.doctor.check import Status
from cli.doctor.clock import compare_clocks
from cli.errors import StackError
from cli.stack import migrate
from jobs.tables import MaintenanceBeat, Worker
from runtime.database import create_database_engine
from tests.api.serving import closed_port


@pytest.fixture
def empty_url(engine, database_url):
    """The URL of a database without tables."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE doctor"))
    yield make_url(database_url).set(database="doctor").render_as_string(hide_password=False)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE doctor"))


@pytest.fixture
def add_worker(engine):
    """Register a worker in the table, which is empty at first."""

    def clear():
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE workers"))

    def add(name, *, seen=timedelta(0), draining=False):
        until = func.now() if draining else None
        values = {"models": ["m"], "pid": 1, "seen_at": func.now() - seen, "draining_until": until}
        with engine.begin() as connection:
            connection.execute(insert(Worker).values(name=name, **values))

    clear()
    yield add
    clear()


def add_beat(url, *, seen=timedelta(0)):
    engine = create_database_engine(url)
    with engine.begin() as connection:
        connection.execute(delete(MaintenanceBeat))
        connection.execute(insert(MaintenanceBeat).values(name="a", seen_at=func.now() - seen))
    engine.dispose()


def results(url):
    return {result.check: result for result in database.check(url)}


@pytest.mark.usefixtures("sessions")
def test_a_database_in_order(database_url, add_worker):
    add_worker("kinomill@a")
    add_worker("kinomill@b", draining=True)
    add_worker("kinomill@gone", seen=timedelta(minutes=1))
    add_beat(database_url)

    checks = results(database_url)

    lost = checks.pop("lost workers")
    assert {result.status for result in checks.values()} == {Status.OK}
    assert (lost.status, "kinomill@gone" in lost.detail) == (Status.WARN, True)
    assert "PostgreSQL 1" in checks["database"].detail
    assert "2 alive, 1 of them stopping" in checks["workers"].detail
    assert "kinomill@gone" not in checks["workers"].detail


def test_no_worker_is_a_warning(database_url, add_worker):
    assert results(database_url)["workers"].status is Status.WARN


def test_workers_that_are_all_stopping_are_a_warning(database_url, add_worker):
    add_worker("kinomill@a", draining=True)

    assert "all are stopping" in results(database_url)["workers"].detail


def test_an_empty_database_has_to_be_migrated(empty_url):
    checks = results(empty_url)

    assert checks["database"].status is Status.OK
    assert checks["migrations"].status is Status.FAIL
    assert "kinomill migrate" in checks["migrations"].remedy
    assert checks["workers"].status is Status.FAIL


def test_an_old_schema_has_to_be_migrated(empty_url, engine):
    other = create_database_engine(empty_url)
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num varchar(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('yesterday')"))
    other.dispose()

    assert "at yesterday, not" in results(empty_url)["migrations"].detail


def test_an_unreachable_database_fails_without_showing_the_password():
    checks = results(f"postgresql://me:secret@127.0.0.1:{closed_port()}/kinomill")

    assert list(checks) == ["database"]
    assert checks["database"].status is Status.FAIL
    assert "secret" not in checks["database"].detail


@pytest.mark.parametrize("url", ["nonsense", "oracle2://me:secret@host/x"])
def test_an_invalid_url_fails_without_showing_the_password(url):
    (result,) = database.check(url)

    assert result.status is Status.FAIL
    assert "secret" not in result.detail


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0.5, Status.OK), (-3, Status.WARN), (31, Status.FAIL), (-40, Status.FAIL)],
)
def test_clock_skew(seconds, state):
    now = datetime.now(UTC)

    assert compare_clocks("clock", now + timedelta(seconds=seconds), now, now).status is state


def test_silent_maintenance_is_a_failure(database_url, add_worker):
    add_beat(database_url, seen=timedelta(seconds=90))

    found = results(database_url)["maintenance"]

    assert found.status is Status.FAIL
    assert re.search(r"for 9\d s", found.detail)
    assert found.remedy == "start `kinomill maintenance`"


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_another_encoding_is_one_sentence_in_doctor_and_migrate(engine, database_url, encoding):
    create = f"CREATE DATABASE other ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(create))
    url = make_url(database_url).set(database="other").render_as_string(hide_password=False)
    try:
        checks = results(url)
        with pytest.raises(StackError, match=f"is {encoding}, not UTF8: create one with"):
            migrate(url)
    finally:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("DROP DATABASE other WITH (FORCE)"))

    assert checks["database encoding"].status is Status.FAIL
    assert "ENCODING 'UTF8'" in checks["database encoding"].remedy
