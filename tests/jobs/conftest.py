"""A broker that is full."""

from __future__ import annotations

import pytest


@pytest.fixture
def full(redis):
    """A broker without room; `full(False)` gives it room again."""

    def fill(full=True):
        redis.config_set("maxmemory", 1 if full else 0)

    fill()
    yield fill
    fill(False)
