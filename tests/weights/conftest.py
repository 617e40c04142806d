"""A fake Hub, and connections that lose patience soon."""

from __future__ import annotations

import ssl

import pytest

from tests.storage.authority import Authority
from tests.weights.fake_hub import fake_hub
from weights.sources.http_client import Connections

STALL_SECONDS = 0.5


@pytest.fixture
def hub():
    with fake_hub() as hub:
        yield hub


@pytest.fixture
def connections():
    made = Connections(stall_seconds=STALL_SECONDS)
    yield made
    made.close()


@pytest.fixture
def trusting(authority):
    """Connections that know the authority of the tests, and no other."""
    made = Connections(
        stall_seconds=2, trust=ssl.create_default_context(cafile=str(authority.bundle))
    )
    yield made
    made.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)
