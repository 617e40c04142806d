"""`bench.weights` runs and prints its report."""

from __future__ import annotations

import json
import subprocess
import sys


def test_the_benchmark_prints_its_report():
    command = [sys.executable, "-m", "bench.weights", "--rounds", "1", "--megabytes", "8"]
    options = ["--killed-megabytes", "60", "--rate", "20", "--peers", "ours", "curl"]
    process = subprocess.run([*command, *options], capture_output=True, check=True, text=True)

    report = json.loads(process.stdout)

    assert report["bench"] == "weights"
    assert set(report["ratio"]) == {"curl"}
    assert report["killed"]["sent_to_the_second"] < 0.45
    assert report["warm"]["requests"] == 0
    assert report["warm"]["detects_truncated_file"]
    assert len(process.stderr.splitlines()) == len(report["runs"]) == 2
