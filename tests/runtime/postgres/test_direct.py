"""Statements that psycopg runs itself."""

from __future__ import annotations

from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    MultipleResultsFound,
    NoResultFound,
    OperationalError,
)

from runtime.database import create_worker_engine
from runtime.postgres.direct import direct_connection
from tests.api.serving import closed_port

ECHO = text("SELECT CAST(:name AS text) AS name, 'a%b' AS percent")
INSERT = text("INSERT INTO maintenance_beats (name) VALUES (:name) RETURNING name")
FAIL = text("SELECT 1 / CAST(:zero AS integer)")
MANY = text("SELECT generate_series(1, CAST(:count AS integer)) AS number")
READ_ONLY = text("SELECT set_config('default_transaction_read_only', 'on', false)")


@pytest.fixture(params=[False, True])
def engine_of_a_child(request, database_url, sessions):
    engine = create_worker_engine(database_url, transactions=request.param)
    yield engine
    engine.dispose()


def run(engine, *requests):
    with direct_connection(engine) as connection:
        return connection.execute_together(requests)


def names(engine):
    with engine.begin() as connection:
        return connection.scalars(text("SELECT name FROM maintenance_beats")).all()


def test_rows_have_the_names_of_their_columns(engine_of_a_child):
    (rows,) = run(engine_of_a_child, (ECHO, {"name": "a", "unused": 1}))

    assert (rows.one().name, rows.one_or_none().percent, rows.scalar()) == ("a", "a%b", "a")


def test_no_row_and_several_rows_are_told_apart(engine_of_a_child):
    none, several = run(engine_of_a_child, (MANY, {"count": 0}), (MANY, {"count": 2}))

    assert (none.one_or_none(), none.scalar(), several.scalar()) == (None, None, 1)
    with pytest.raises(NoResultFound):
        none.one()
    with pytest.raises(MultipleResultsFound):
        several.one()


def test_statements_that_run_together_are_stored_together_or_not_at_all(engine_of_a_child):
    for zero in (0, 1):
        for _ in range(10):  # psycopg prepares a statement at its sixth execution
            try:
                run(engine_of_a_child, (INSERT, {"name": "a"}), (FAIL, {"zero": zero}))
            except DBAPIError:
                assert names(engine_of_a_child) == []
            else:
                assert names(engine_of_a_child) == ["a"]
                with engine_of_a_child.begin() as connection:
                    connection.execute(text("DELETE FROM maintenance_beats"))


def test_errors_are_those_of_sqlalchemy_without_the_values(engine_of_a_child):
    run(engine_of_a_child, (INSERT, {"name": "a"}))

    with pytest.raises(IntegrityError) as raised:
        run(engine_of_a_child, (INSERT, {"name": "a"}), (ECHO, {"name": "a prompt"}))

    assert "a prompt" not in str(raised.value)
    assert run(engine_of_a_child, (ECHO, {"name": "b"}))[0].scalar() == "b"


@pytest.mark.parametrize("count", [1, 2])
def test_a_lost_connection_is_replaced(engine_of_a_child, engine, count):
    with engine_of_a_child.begin() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    with pytest.raises(OperationalError):
        run(engine_of_a_child, *[(ECHO, {"name": "a"})] * count)

    assert run(engine_of_a_child, (ECHO, {"name": "a"}))[0].scalar() == "a"


def test_a_server_that_accepts_no_connection_is_an_outage():
    engine = create_worker_engine(f"postgresql://127.0.0.1:{closed_port()}/x", transactions=False)

    with pytest.raises(OperationalError):
        run(engine, (ECHO, {"name": "a"}))


def test_what_an_error_interrupts_is_not_stored(database_url, sessions):
    engine = create_worker_engine(database_url, transactions=True)

    with suppress(LookupError), direct_connection(engine) as connection:
        connection.execute(INSERT, {"name": "a"})
        raise LookupError

    assert names(engine) == []
    engine.dispose()


def test_a_server_that_became_a_standby_is_an_outage(engine_of_a_child):
    run(engine_of_a_child, (READ_ONLY, {}))

    with pytest.raises(OperationalError):
        run(engine_of_a_child, (INSERT, {"name": "a"}))

    assert run(engine_of_a_child, (INSERT, {"name": "a"}))[0].scalar() == "a"


def test_a_use_that_is_broken_off_leaves_no_reply_for_the_next(engine_of_a_child, monkeypatch):
    def break_off(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.postgres.direct._read", break_off)
    with pytest.raises(KeyboardInterrupt):
        run(engine_of_a_child, (ECHO, {"name": "a"}), (ECHO, {"name": "b"}))
    monkeypatch.undo()

    assert run(engine_of_a_child, (ECHO, {"name": "c"}))[0].scalar() == "c"
