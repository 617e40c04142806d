"""A fixture for a full broker."""

from __future__ import annotations

import pytest


@pytest.fixture
def full(redis):
    """Fill the broker up; `full(False)` frees it again."""

    def fill(full=True):
        redis.config_set("maxmemory", 1 if full else 0)

    fill()
    yield fill
    fill(False)
