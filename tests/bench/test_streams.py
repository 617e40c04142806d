"""The benchmark of streams runs, and its figures are of the expected kind."""

from __future__ import annotations

import pytest

from bench.service.servers import Servers
from bench.streams import measure


@pytest.mark.slow
def test_a_few_streams_are_measured():
    with Servers() as servers:
        report = measure(servers, streams=6, slow=2, seconds=1.5)

    phases = report["phases"]
    assert phases["open at the end"] == 8
    assert phases["no change"]["received_kb_per_second"] == 0
    assert phases["changes"]["livez_ms"]["p50"] > 0
    assert report["rss_mb"]["after"] > 0
