"""The doctor before real databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, text
from sqlalchemy.engine import make_url

from cli.doctor import database
from cli.doctor.clock import skew
from cli.doctor.finding import Verdict
from jobs.tables import Worker
from runtime.database import create_database_engine
from tests.api.serving import closed_port


@pytest.fixture
def empty_url(engine, database_url):
    """A database that no migration has seen."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE doctor"))
    yield make_url(database_url).set(database="doctor").render_as_string(hide_password=False)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE doctor"))


@pytest.fixture
def roster(engine):
    """Puts workers into an empty roster."""

    def clear():
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE workers"))

    def put(name, *, seen=timedelta(0), draining=False):
        until = func.now() if draining else None
        values = {"models": ["m"], "pid": 1, "seen_at": func.now() - seen, "draining_until": until}
        with engine.begin() as connection:
            connection.execute(insert(Worker).values(name=name, **values))

    clear()
    yield put
    clear()


def findings(url):
    return {finding.check: finding for finding in database.look(url)}


def test_a_database_in_order(database_url, roster):
    roster("kinomill@a")
    roster("kinomill@b", draining=True)
    roster("kinomill@gone", seen=timedelta(minutes=1))

    found = findings(database_url)

    assert {finding.state for finding in found.values()} == {Verdict.OK}
    assert "PostgreSQL 1" in found["database"].found
    assert "2 alive, 1 of them stopping" in found["workers"].found
    assert "kinomill@gone" not in found["workers"].found


def test_no_worker_is_a_warning(database_url, roster):
    assert findings(database_url)["workers"].state is Verdict.WARN


def test_workers_that_all_stop_are_a_warning(database_url, roster):
    roster("kinomill@a", draining=True)

    assert "all are stopping" in findings(database_url)["workers"].found


def test_migrations_that_were_not_run(empty_url):
    found = findings(empty_url)

    assert found["database"].state is Verdict.OK
    assert found["migrations"].state is Verdict.FAIL
    assert "kinomill migrate" in found["migrations"].remedy
    assert found["workers"].state is Verdict.FAIL


def test_a_schema_of_yesterday(empty_url, engine):
    other = create_database_engine(empty_url)
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num varchar(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('yesterday')"))
    other.dispose()

    assert "at yesterday, not" in findings(empty_url)["migrations"].found


def test_nobody_at_the_address():
    found = findings(f"postgresql://me:secret@127.0.0.1:{closed_port()}/kinomill")

    assert list(found) == ["database"]
    assert found["database"].state is Verdict.FAIL
    assert "secret" not in found["database"].found


@pytest.mark.parametrize("url", ["nonsense", "oracle2://me:secret@host/x"])
def test_no_address_at_all(url):
    (finding,) = database.look(url)

    assert finding.state is Verdict.FAIL
    assert "secret" not in finding.found


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0.5, Verdict.OK), (-3, Verdict.WARN), (31, Verdict.FAIL), (-40, Verdict.FAIL)],
)
def test_clocks_that_disagree(seconds, state):
    now = datetime.now(UTC)

    assert skew("clock", now + timedelta(seconds=seconds), now, now).state is state
