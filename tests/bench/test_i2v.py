"""The bench of image-to-video runs, and says what it measured."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_bench_prints_what_it_measured():
    command = [sys.executable, "-m", "bench.i2v", "--rounds", "1", "--steps", "2"]
    shown = subprocess.run(command, capture_output=True, check=True, text=True)

    report = json.loads(shown.stdout)

    assert report["bench"] == "i2v"
    assert set(report["overhead_beyond_encoding"]) == {"seconds", "cpu_seconds"}
    assert [run["peer"] for run in report["runs"]] == ["ours", "bare"]
