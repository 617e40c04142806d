"""The acceptance tests of jobs, with all programs behind PgBouncer in transaction mode."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from bench.service.pgbouncer import PgBouncer
from cli.errors import StackError
from cli.settings import CliSettings
from cli.stack import Stack, free_port
from runtime.database import create_database_engine, create_session_factory
from runtime.postgres.pooler import Pooler
from tests.acceptance.test_jobs import (  # noqa: F401 - they run here too
    long_voice,
    test_a_canceled_job_stops_at_its_next_frame_and_the_model_stays_in_memory,
    test_a_flushed_broker_loses_no_job,
    test_a_hundred_jobs_at_once_all_succeed,
    test_a_killed_child_costs_one_attempt_and_no_job,
    test_a_photo_and_a_voice_become_a_video_of_the_voice_s_length,
    test_an_image_without_a_face_fails_with_an_explanation,
)
from tests.pooler import needs_pgbouncer

pytestmark = [needs_pgbouncer, pytest.mark.slow]


@pytest.fixture(scope="module")
def fresh_url(engine, database_url):
    """An empty database, reached directly."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CREATE DATABASE pooled")
        yield make_url(database_url).set(database="pooled").render_as_string(False)
        connection.exec_driver_sql("DROP DATABASE pooled WITH (FORCE)")


@pytest.fixture(scope="module")
def pooler(fresh_url, home):
    with PgBouncer(fresh_url, home / "pooler") as pooler:
        yield pooler


@pytest.fixture(scope="module")
def stack(fresh_url, pooler, home, broker_url):
    """All programs, which migrate the database directly and use it through the pooler."""
    settings = CliSettings(
        database_url=pooler.url,
        database_pooler=Pooler.TRANSACTION,
        migration_database_url=fresh_url,
        redis_url=broker_url,
        storage=str(home / "pooled-objects"),
    )
    with Stack(home / "pooled", free_port(), settings, lambda _: None) as running:
        yield running


def test_migrations_ask_for_a_direct_connection(pooler, home):
    settings = CliSettings(database_url=SecretStr(pooler.url), database_pooler=Pooler.TRANSACTION)
    stack = Stack(home / "refused", free_port(), settings, lambda _: None)

    with pytest.raises(StackError, match="KINOMILL_MIGRATION_DATABASE_URL"), stack:
        pass


@pytest.fixture
def stack_sessions(stack, fresh_url):
    engine = create_database_engine(fresh_url)
    yield create_session_factory(engine)
    engine.dispose()
