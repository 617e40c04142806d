"""A short soak."""

from __future__ import annotations

import pytest

from tests.pooler import needs_pgbouncer
from tests.soak.soak import Soak

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def test_a_short_soak():
    """F33, with few jobs and faults."""
    soak = Soak(jobs=30, faults=15, seed=20, seconds=240, say=lambda *_, **__: None)

    report = soak.run()

    assert report.breaches == []
    assert report.good
    assert sum(report.faults.values()) == 15
    assert report.jobs == 30


@needs_pgbouncer
def test_a_short_soak_through_a_pooler():
    """The programs reach PostgreSQL through PgBouncer, which is killed too."""
    options = {"jobs": 20, "faults": 10, "seed": 3, "seconds": 240, "pooled": True}

    report = Soak(say=lambda *_, **__: None, **options).run()

    assert report.breaches == []
    assert report.faults["kill_pooler"] > 0
    assert sum(report.faults.values()) == 10
