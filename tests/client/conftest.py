"""A client before the real API under uvicorn."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import pytest

from client.client import Client
from tests.api.serving import logging_kept, serving, settings_of


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="session")
def make_settings(database_url, broker_url, store):
    return partial(settings_of, database_url=database_url, redis_url=broker_url, storage=str(store))


@pytest.fixture(scope="session")
def server(make_settings):
    """The address of an app under uvicorn."""
    with ExitStack() as running:
        with logging_kept():
            url = running.enter_context(serving(make_settings))
        yield url


@pytest.fixture
def client(server):
    with Client(server) as client:
        yield client
