"""Real servers for the tests: PostgreSQL and Valkey from wheels, one of each a test process."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import text

from cli.embedded.postgres import Postgres
from cli.embedded.valkey import Valkey
from migrations.upgrade import upgrade
from runtime.database import create_database_engine, create_session_factory
from tests.database import empty, without_fsync
from tests.fast import SLOW
from tests.folders import temporary_folder

# Threads of torch that wait would spin, and take the cores from the other processes of the tests.
# It is read when torch is loaded, here and in the workers that tests start.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

LONGEST = tuple(Path(__file__).parent / name for name in ("soak", "faults"))
EXAMPLES = Path(__file__).parents[1] / "cli" / "examples"


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest: no process is left with one of them at the end."""
    items.sort(key=lambda item: next(n for n, found in enumerate(_lengths(item.path)) if found))


def _lengths(path):
    above = {path, *path.parents}
    return not above.isdisjoint(LONGEST), not above.isdisjoint(SLOW), True


def pytest_collection_finish():
    """Keep the garbage collector from looking at a million objects that live to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def home():
    """A folder that PostgreSQL's account can reach, also when the tests run as root."""
    with temporary_folder("tests") as folder:
        yield folder


@pytest.fixture(scope="session")
def database_url(home):
    with without_fsync():
        server = Postgres(home)
        url = server.start()
    upgrade(url)
    yield url
    server.stop()


@pytest.fixture(scope="session")
def broker_url(home):
    server = Valkey(home)
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def engine(database_url):
    engine = create_database_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine):
    """A session factory on an empty record. Later tests meet no quota, pause or maintenance."""
    empty(engine)
    yield create_session_factory(engine)
    end_operators_acts(engine)


def end_operators_acts(engine):
    """Remove quotas, pauses and the maintenance mode, which refuse the jobs of later tests."""
    with engine.begin() as connection:
        for table in ("account_quotas", "paused_queues", "maintenance_mode"):
            connection.execute(text(f"DELETE FROM {table}"))


@pytest.fixture
def redis(broker_url):
    """An empty broker."""
    with Redis.from_url(broker_url) as client:
        client.flushall()
        yield client


@pytest.fixture
def photo():
    return EXAMPLES / "face.jpg"


@pytest.fixture
def voice():
    return EXAMPLES / "voice.wav"
