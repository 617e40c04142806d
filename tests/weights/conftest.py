"""A fake Hub, and connection pools with short timeouts."""

from __future__ import annotations

import ssl

import pytest

from tests.storage.authority import Authority
from tests.weights.fake_hub import fake_hub
from weights.sources.http_client import ConnectionPool

STALL_SECONDS = 0.5


@pytest.fixture
def hub():
    with fake_hub() as hub:
        yield hub


@pytest.fixture
def pool():
    pool = ConnectionPool(stall_seconds=STALL_SECONDS)
    yield pool
    pool.close()


@pytest.fixture
def trusting_pool(authority):
    """Connections that trust only the certificate authority of the tests."""
    pool = ConnectionPool(
        stall_seconds=2, ssl_context=ssl.create_default_context(cafile=str(authority.bundle))
    )
    yield pool
    pool.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)
