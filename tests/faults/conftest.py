"""Fixtures: servers that tests may kill, one pair per module, and one cluster per test."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import httpx
import pytest

from tests.api.serving import restored_logging, serving, settings_of
from tests.faults.cluster import Cluster
from tests.faults.servers import Servers
from tests.workers.conftest import SECRET


def pytest_itemcollected(item):
    """Mark every test here: `make faults` runs them, `make test` does not."""
    item.add_marker("faults")


@pytest.fixture(scope="module")
def servers():
    with Servers() as servers:
        yield servers


@pytest.fixture
def cluster(servers):
    """An empty database, a maintenance loop, and workers as the test starts them."""
    servers.clear()
    with Cluster(servers) as cluster:
        cluster.start_maintenance()
        yield cluster


@pytest.fixture
def serve(cluster):
    """Serve the API under uvicorn with the given settings; returns a client."""
    settings = partial(
        settings_of,
        database_url=cluster.servers.program_url,
        database_pooler=cluster.servers.pooler_setting,
        redis_url=cluster.servers.broker_url,
        storage=str(cluster.folder / "store"),
        secret_key=SECRET,
        models=("tests.faults.faulty_model:CARD",),
    )
    with restored_logging(), ExitStack() as running:

        def start(**changes):
            url = running.enter_context(serving(settings, **changes))
            return running.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=30))

        yield start
