"""Servers that may be killed, one pair a module, and a crew of workers, one a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.crew import Crew
from tests.faults.servers import Servers


def pytest_collection_modifyitems(items):
    """All of a module on one process of xdist (with --dist loadgroup): they share servers."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("faults")
            item.add_marker(pytest.mark.xdist_group(f"faults-{item.path.stem}"))


@pytest.fixture(scope="module")
def servers():
    with Servers() as servers:
        yield servers


@pytest.fixture
def crew(servers):
    """A housekeeper at work, workers as the test hires them, an empty record."""
    servers.clear()
    with Crew(servers) as crew:
        crew.keep_house()
        yield crew
