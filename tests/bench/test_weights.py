"""The bench of the weights runs, and says what it measured."""

from __future__ import annotations

import json
import subprocess
import sys


def test_the_bench_prints_what_it_measured():
    command = [sys.executable, "-m", "bench.weights", "--rounds", "1", "--megabytes", "8"]
    options = ["--killed-megabytes", "60", "--rate", "20", "--peers", "ours", "curl"]
    shown = subprocess.run([*command, *options], capture_output=True, check=True, text=True)

    report = json.loads(shown.stdout)

    assert report["bench"] == "weights"
    assert set(report["ratio"]) == {"curl"}
    assert report["killed"]["sent_to_the_second"] < 0.45
    assert report["warm"]["requests"] == 0
    assert report["warm"]["finds_a_truncated_file"]
    assert len(shown.stderr.splitlines()) == len(report["runs"]) == 2
