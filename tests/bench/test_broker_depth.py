"""`bench.broker_depth` runs and prints its report."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

OPTIONS = "--waiting 100 --behind 100 --workers 1 --seconds 3"


@pytest.mark.slow
def test_the_benchmark_prints_its_report():
    command = [sys.executable, "-m", "bench.broker_depth", *OPTIONS.split()]
    process = subprocess.run(command, capture_output=True, check=True, text=True)

    report = json.loads(process.stdout)

    assert report["bench"] == "broker_depth"
    assert report["depth"]["max_messages"] >= report["depth"]["last_messages"]
    assert report["depth"]["max_bytes"] > 0
    assert len(report["interactive"]) == 5
    assert all(job["seconds"] > 0 for job in report["interactive"])
