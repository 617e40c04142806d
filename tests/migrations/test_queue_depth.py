"""The view and the role from which an autoscaler learns how many workers are needed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from jobs.control import pauses
from migrations.autoscaler import MISSING, ROLE
from migrations.upgrade import alembic_config, grant_to_autoscalers, upgrade
from runtime.database import create_database_engine
from tests.jobs import build
from tests.migrations.test_migrations import fresh_url as fresh_url
from tests.migrations.test_migrations import query, statement

MODEL = "preview-lipsync"
DEMAND = "SELECT coalesce(sum(demand), 0) FROM queue_depth WHERE model IN ('preview-lipsync', 'x')"
BEFORE = "d80b3f5a61c9"


def depths(session):
    rows = session.execute(text("SELECT model, waiting, running, held, demand FROM queue_depth"))
    return {row.model: tuple(row)[1:] for row in rows}


def demand(session):
    return session.scalar(text(DEMAND))


def test_a_model_without_jobs_has_a_demand_of_zero(sessions):
    with sessions() as session:
        assert depths(session) == {}
        assert demand(session) == 0


def test_waiting_running_and_held_jobs_are_counted(sessions):
    jobs = [build.submitted(sessions) for _ in range(4)]
    running = build.claim_next(sessions).job_id
    build.change(sessions, [next(job for job in jobs if job != running)], due_at=None)

    with sessions() as session:
        assert depths(session) == {MODEL: (3, 1, 1, 3)}


def test_nobody_needs_a_worker_for_the_waiting_jobs_of_a_paused_queue(sessions):
    for _ in range(3):
        build.submitted(sessions)
    build.claim_next(sessions)
    with sessions.begin() as session:
        pauses.pause(session, MODEL)

    with sessions() as session:
        assert depths(session) == {MODEL: (2, 1, 0, 1)}


def test_an_ended_job_is_not_counted(sessions):
    build.succeeded(sessions)
    build.canceled(sessions)

    with sessions() as session:
        assert depths(session) == {}


@pytest.fixture
def user(database_url):
    """Create users of the server, with a password and these options; they are dropped after."""
    created = []

    def create(name, options=""):
        statement(database_url, f"CREATE ROLE {name} LOGIN PASSWORD 'secret' {options}")
        created.append(name)
        return make_url(database_url).set(username=name, password="secret")

    yield create
    for name in created:
        statement(database_url, f"DROP OWNED BY {name}")
        statement(database_url, f"DROP ROLE {name}")


def text_of(url):
    return url.render_as_string(hide_password=False)


def test_a_user_of_the_role_reads_the_view_and_nothing_else(database_url, sessions, user):
    url = text_of(user("keda", f"IN ROLE {ROLE}"))
    build.submitted(sessions)

    assert query(url, lambda connection: connection.scalar(text(DEMAND))) == 1
    for refused in (
        "SELECT * FROM jobs",
        "SELECT * FROM api_keys",
        "CREATE TABLE public.mine ()",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"):
            statement(url, refused)


@pytest.fixture
def without_role(database_url):
    """A server without the role; it has it again after."""
    upgrade(database_url)
    statement(database_url, f"DROP OWNED BY {ROLE}")
    statement(database_url, f"DROP ROLE {ROLE}")
    yield
    assert grant_to_autoscalers(database_url)


def test_a_user_who_may_not_create_roles_migrates_and_reads_what_to_do(
    without_role, fresh_url, database_url, user
):
    owner = user("owner")
    statement(database_url, "ALTER DATABASE fresh OWNER TO owner")
    url = text_of(owner.set(database="fresh"))

    first = migrate(url)
    statement(database_url, f"CREATE ROLE {ROLE} NOLOGIN")
    second = migrate(url)

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert f"note: {MISSING}" in first.stdout
    assert "note" not in second.stdout
    assert grant_to_autoscalers(url)
    statement(database_url, "ALTER DATABASE fresh OWNER TO CURRENT_USER")
    statement(fresh_url, "REASSIGN OWNED BY owner TO CURRENT_USER")


def migrate(url):
    command_line = [sys.executable, "-m", "cli.main", "migrate"]
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
    return subprocess.run(command_line, env=env, capture_output=True, text=True, timeout=60)


def test_a_downgrade_removes_the_view_and_keeps_the_role_of_other_databases(
    fresh_url, database_url
):
    upgrade(fresh_url)
    command.downgrade(alembic_config(fresh_url), BEFORE)

    def left(connection):
        views = "SELECT count(*) FROM pg_views WHERE viewname = 'queue_depth'"
        roles = f"SELECT count(*) FROM pg_roles WHERE rolname = '{ROLE}'"
        return connection.scalar(text(views)), connection.scalar(text(roles))

    assert query(fresh_url, left) == (0, 1)
    upgrade(fresh_url)
    assert grant_to_autoscalers(fresh_url)


def test_two_databases_of_a_server_share_the_role(fresh_url, database_url):
    upgrade(fresh_url)

    assert grant_to_autoscalers(fresh_url)
    assert grant_to_autoscalers(database_url)


def test_the_demand_of_a_long_queue_is_counted_quickly_by_an_index(sessions):
    engine = create_database_engine(sessions.kw["bind"].url.render_as_string(hide_password=False))
    with engine.connect() as connection:
        connection.execute(text("SET enable_seqscan = off"))
        plan = "\n".join(connection.scalars(text(f"EXPLAIN {DEMAND}")))
    engine.dispose()

    assert "ix_jobs_active" in plan
