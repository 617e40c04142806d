"""`bench.lipsync` runs and prints its report."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def run_benchmark(*options):
    command = [sys.executable, "-m", "bench.lipsync", "--rounds", "1", *options]
    process = subprocess.run(command, capture_output=True, check=True, text=True)
    report = json.loads(process.stdout)
    assert report["bench"] == "lipsync"
    assert len(process.stderr.splitlines()) == len(report["runs"])
    return report


@pytest.mark.slow
def test_the_benchmark_prints_its_report():
    report = run_benchmark("--seconds", "1", "--height", "120")

    (run,) = report["runs"]
    assert run["frames"] == 25
    assert set(run["alone_fps"]) == {"network", "decode", "encode"}
    assert run["cold_seconds"] > run["load_seconds"] > 0
    assert report["median"]["1"]["ours"]["fps_per_gflops"] > 0


def test_the_tiny_network_measures_memory():
    report = run_benchmark("--tiny", "--seconds", "1", "2", "--height", "120")

    assert [run["frames"] for run in report["runs"]] == [25, 50]
    assert 0.8 < report["ratio"]["peak_rss_2s_over_1s"] < 1.2


@pytest.mark.slow
def test_a_clone_of_the_authors_code_is_compared(tmp_path):
    """The script here has the authors' arguments and only reads its files."""
    (tmp_path / "inference.py").write_text(
        "import sys\n"
        "words = sys.argv[1:]\n"
        "paths = dict(zip(words[:8:2], words[1:8:2]))\n"
        "open(paths['--face'], 'rb').read(), open(paths['--audio'], 'rb').read()\n"
        "assert words[8] == '--box' and len(words) == 13\n"
        "open(paths['--outfile'], 'wb').write(b'video')\n"
    )

    report = run_benchmark("--seconds", "1", "--height", "120", "--upstream", str(tmp_path))

    assert [run["peer"] for run in report["runs"]] == ["ours", "upstream"]
    assert set(report["ratio"]) == {
        "cold_times_upstream_1s",
        "warm_times_upstream_1s",
        "rss_of_upstream_1s",
    }


@pytest.mark.slow
def test_the_stand_in_is_compared():
    report = run_benchmark("--seconds", "1", "--height", "120", "--stand-in")

    assert [run["peer"] for run in report["runs"]] == ["ours", "stand_in"]
    assert report["ratio"]["warm_times_stand_in_1s"] > 0
