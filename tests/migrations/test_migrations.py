"""Migrations: up, down and up again, and nothing left to migrate."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from cli.errors import StackError
from cli.stack import migrate
from migrations.metadata import METADATA
from migrations.upgrade import alembic_config, revisions, upgrade
from runtime.database import create_database_engine


@pytest.fixture
def fresh_url(database_url):
    """An empty database on the same server."""
    url = make_url(database_url).set(database="fresh").render_as_string(hide_password=False)
    statement(database_url, "CREATE DATABASE fresh")
    yield url
    statement(database_url, "DROP DATABASE fresh WITH (FORCE)")


def statement(url, sql, **values):
    engine = create_database_engine(url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(sql), values)
    finally:
        engine.dispose()


def query(url, what):
    engine = create_database_engine(url)
    with engine.connect() as connection:
        found = what(connection)
    engine.dispose()
    return found


def pending_changes(connection):
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return compare_metadata(context, METADATA)


def functions(connection):
    return connection.scalar(
        text("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
    )


def tables(connection):
    return set(inspect(connection).get_table_names())


def test_up_down_and_up_again(fresh_url):
    upgrade(fresh_url)
    assert known_tables() < query(fresh_url, tables)

    command.downgrade(alembic_config(fresh_url), "base")
    assert query(fresh_url, tables) == {"alembic_version"}
    assert query(fresh_url, functions) == 0

    upgrade(fresh_url)
    assert known_tables() < query(fresh_url, tables)
    assert query(fresh_url, functions) == 7


def known_tables():
    return set(METADATA.tables)


def test_nothing_is_left_to_migrate(database_url):
    assert query(database_url, pending_changes) == []


def test_checks_are_those_of_the_tables(database_url):
    def checks(connection):
        return {check["name"] for check in inspect(connection).get_check_constraints("jobs")}

    assert query(database_url, checks) == {"ck_jobs_state", "ck_jobs_lease", "ck_jobs_ended"}


def test_revisions_differ_until_the_database_is_upgraded(fresh_url):
    before = query(fresh_url, revisions)
    upgrade(fresh_url)
    after = query(fresh_url, revisions)

    assert before == (None, after[1])
    assert after[0] == after[1] is not None


def test_an_upgrade_of_an_up_to_date_database_changes_nothing(database_url):
    before = query(database_url, revisions)

    upgrade(database_url)

    assert query(database_url, revisions) == before


def test_the_alembic_command_finds_the_database_in_the_environment(database_url, monkeypatch):
    config = alembic_config(database_url)
    del config.attributes["url"]
    monkeypatch.setenv("DATABASE_URL", database_url)

    command.check(config)


def test_two_migrations_at_once_take_turns(fresh_url):
    command_line = [sys.executable, "-m", "cli.main", "migrate"]
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": fresh_url}
    both = [subprocess.Popen(command_line, env=env, stdout=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert query(fresh_url, pending_changes) == []


OLD_INSERT = """
INSERT INTO jobs (id, account, model, queue, input, labels, body_hash, state, dispatch_no, attempt,
                  worker_losses, retries)
VALUES (:id, 'local', 'm', 'm', '{}', '{}', '', 'queued', 1, 0, 0, 0)
"""
OLD_CLAIM = """
UPDATE jobs SET state = 'running', attempt = 1, lease_token = gen_random_uuid() WHERE id = :id
"""


OLD_WORKER = """
INSERT INTO workers (name, models, pid, weights) VALUES (:name, '[]', 1, CAST(:weights AS jsonb))
"""


def test_programs_without_notes_work_with_the_schema_that_has_them(fresh_url):
    command.upgrade(alembic_config(fresh_url), "e7a35c90d8b2")
    statement(fresh_url, OLD_INSERT, id="before")

    command.upgrade(alembic_config(fresh_url), "a91c6e04f7d3")

    statement(fresh_url, OLD_INSERT, id="after")
    for job_id in ("before", "after"):
        statement(fresh_url, OLD_CLAIM, id=job_id)
    assert query(fresh_url, notes) == [{}, {}]
    with pytest.raises(IntegrityError):
        statement(fresh_url, "UPDATE jobs SET notes = NULL")


def notes(connection):
    return list(connection.scalars(text("SELECT notes FROM jobs")))


def test_weights_states_are_renamed_in_rows_that_exist(fresh_url):
    command.upgrade(alembic_config(fresh_url), "f4b82d6c19a7")
    statement(fresh_url, OLD_WORKER, name="a", weights='{"m": {"state": "broken", "detail": "x"}}')
    statement(fresh_url, OLD_WORKER, name="b", weights='{"m": {"state": "loaded"}}')
    statement(fresh_url, OLD_WORKER, name="c", weights="{}")

    upgrade(fresh_url)
    after = query(fresh_url, weights_of_workers)
    command.downgrade(alembic_config(fresh_url), "f4b82d6c19a7")

    assert after == [{"m": {"state": "failed", "detail": "x"}}, {"m": {"state": "loaded"}}, {}]
    assert query(fresh_url, weights_of_workers)[0]["m"]["state"] == "broken"


WAITING = """
INSERT INTO jobs (id, account, model, queue, input, labels, body_hash, state, dispatch_no, attempt,
                  worker_losses, retries, next_dispatch_at)
VALUES (:id, 'local', 'm', 'm', '{}', '{}', '', 'queued', 1, 0, 0, 0, now() + CAST(:in AS interval))
"""


def test_a_job_that_waited_for_its_next_message_is_due_and_a_held_one_stays_held(fresh_url):
    command.upgrade(alembic_config(fresh_url), "a91c6e04f7d3")
    statement(fresh_url, WAITING, id="a", **{"in": "5 min"})
    statement(fresh_url, WAITING, id="b", **{"in": None})

    upgrade(fresh_url)
    after = query(fresh_url, due)
    command.downgrade(alembic_config(fresh_url), "a91c6e04f7d3")

    assert after == [True, None]
    statement(fresh_url, WAITING, id="c", **{"in": "5 min"})


def due(connection):
    return list(connection.scalars(text("SELECT due_at <= now() FROM jobs ORDER BY id")))


def weights_of_workers(connection):
    return list(connection.scalars(text("SELECT weights FROM workers ORDER BY name")))


def test_previews_are_left_out_of_the_server_s_log(database_url):
    def persistence(connection):
        query = "SELECT relpersistence FROM pg_class WHERE relname = 'previews'"
        return connection.scalar(text(query))

    assert query(database_url, persistence) in {"u", b"u"}


@pytest.mark.faults
def test_a_migration_gives_up_on_a_table_that_stays_locked(fresh_url, monkeypatch):
    command.upgrade(alembic_config(fresh_url), "c4e8a1f05d37")
    engine = create_database_engine(fresh_url)
    with engine.begin() as busy:
        busy.execute(text("LOCK TABLE workers IN ACCESS SHARE MODE"))
        with pytest.raises(StackError, match="nothing was migrated: a long transaction"):
            migrate(fresh_url)
    engine.dispose()

    assert query(fresh_url, revisions)[0] == "c4e8a1f05d37"
