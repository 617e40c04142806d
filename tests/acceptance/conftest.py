"""A complete Kinomill: embedded servers, API, maintenance and a worker as processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from kinomill import Client
from runtime.database import create_database_engine, create_session_factory
from tests.folders import temporary_folder
from tests.running_stack import running_stack

ROOT = Path(__file__).parents[2]


def pytest_itemcollected(item):
    """Mark every test here: they start all programs."""
    item.add_marker("acceptance")


@pytest.fixture(scope="module", autouse=True)
def importable_cards():
    """Let programs import the cards of tests as those of an operator: from PYTHONPATH."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield


@pytest.fixture(scope="session")
def stack():
    with temporary_folder("acceptance") as home, running_stack(home) as running:
        yield running


@pytest.fixture
def client(stack):
    with Client(stack.url) as client:
        yield client


@pytest.fixture
def stack_sessions(stack):
    engine = create_database_engine(stack.database_url)
    yield create_session_factory(engine)
    engine.dispose()


@pytest.fixture
def broker(stack):
    with Redis.from_url(stack.redis_url) as redis:
        yield redis
