"""`bench.api_memory` runs and prints its report."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_benchmark_prints_its_report():
    command = [sys.executable, "-m", "bench.api_memory", "--submits", "50"]
    process = subprocess.run(command, capture_output=True, check=True, text=True)

    report = json.loads(process.stdout)

    assert report["bench"] == "api_memory"
    assert len(report["rss_mb"]) == 11
    assert 0.5 < report["last_over_first"] < 2
    assert len(process.stderr.splitlines()) == 10
