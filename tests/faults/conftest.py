"""Servers that may be killed, one pair a module, and a crew of workers, one a test."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import httpx
import pytest

from tests.api.serving import logging_kept, serving, settings_of
from tests.faults.cluster import Crew
from tests.faults.servers import Servers
from tests.workers.conftest import SECRET


def pytest_itemcollected(item):
    """`make faults` runs them, `make test` does not."""
    item.add_marker("faults")


@pytest.fixture(scope="module")
def servers():
    with Servers() as servers:
        yield servers


@pytest.fixture
def crew(servers):
    """A maintenance loop, workers as the test hires them, an empty record."""
    servers.clear()
    with Crew(servers) as crew:
        crew.keep_house()
        yield crew


@pytest.fixture
def serve(crew):
    """Serve the API under uvicorn, with these settings; gives a client."""
    settings = partial(
        settings_of,
        database_url=crew.servers.database_url,
        redis_url=crew.servers.broker_url,
        storage=str(crew.folder / "store"),
        secret_key=SECRET,
        models=("tests.faults.actor:CARD",),
    )
    with logging_kept(), ExitStack() as running:

        def start(**changes):
            url = running.enter_context(serving(settings, **changes))
            return running.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=30))

        yield start
