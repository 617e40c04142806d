"""A short soak."""

from __future__ import annotations

import pytest

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
