"""`bench.i2v` runs and prints its report."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_benchmark_prints_its_report():
    command = [sys.executable, "-m", "bench.i2v", "--rounds", "1", "--steps", "2"]
    process = subprocess.run(command, capture_output=True, check=True, text=True)

    report = json.loads(process.stdout)

    assert report["bench"] == "i2v"
    assert set(report["overhead_beyond_encoding"]) == {"seconds", "cpu_seconds"}
    for overhead in report["overhead_beyond_encoding"].values():
        assert overhead["low"] <= overhead["median"] <= overhead["high"]
    assert [run["peer"] for run in report["runs"]] == ["ours", "plain"]
