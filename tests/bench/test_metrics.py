"""`bench.metrics` runs and prints its report."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.structure.sources import ROOT

pytestmark = pytest.mark.slow


def test_requests_with_and_without_metrics_are_compared():
    command = [sys.executable, "-m", "bench.metrics", "--rounds", "1", "--requests", "20"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    for request in ("get", "post", "livez"):
        assert report[request]["off_us"] > 0 < report[request]["ratio"]
    assert report["scrape_us"] > 0
