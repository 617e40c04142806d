"""`bench.background_removal` runs and prints its report."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.background_removal import summarize


def test_the_model_s_own_time_is_not_counted():
    runs = [{"total": 0.3 + n / 100, "generating": 0.2, "encoding": 0.01} for n in range(3)]

    found = summarize((320, 240), runs)

    assert (found["size"], found["count"]) == ("320x240", 3)
    assert found["beyond_model_p50_ms"] == pytest.approx(110)
    assert found["phases_ms"] == {"encoding": 10.0, "generating": 200.0, "total": 310.0}


@pytest.mark.slow
def test_the_benchmark_prints_its_report():
    command = [sys.executable, "-m", "bench.background_removal", "--pictures", "2"]
    process = subprocess.run(command, capture_output=True, check=True, text=True)

    report = json.loads(process.stdout)

    assert report["bench"] == "background_removal"
    assert [each["count"] for each in report["pictures"]] == [2, 2]
    assert all(each["phases_ms"]["generating"] > 0 for each in report["pictures"])
