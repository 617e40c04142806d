"""The bench of lip-sync runs, and says what it measured."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def measured(*options):
    command = [sys.executable, "-m", "bench.lipsync", "--rounds", "1", *options]
    shown = subprocess.run(command, capture_output=True, check=True, text=True)
    report = json.loads(shown.stdout)
    assert report["bench"] == "lipsync"
    assert len(shown.stderr.splitlines()) == len(report["runs"])
    return report


@pytest.mark.slow
def test_the_bench_prints_what_it_measured():
    report = measured("--seconds", "1", "--height", "120")

    (run,) = report["runs"]
    assert run["frames"] == 25
    assert set(run["alone_fps"]) == {"network", "decode", "encode"}
    assert run["cold_seconds"] > run["load_seconds"] > 0
    assert report["median"]["1"]["ours"]["fps_per_gflops"] > 0


def test_without_a_network_it_measures_memory():
    report = measured("--tiny", "--seconds", "1", "2", "--height", "120")

    assert [run["frames"] for run in report["runs"]] == [25, 50]
    assert 0.8 < report["ratio"]["peak_rss_2s_over_1s"] < 1.2


@pytest.mark.slow
def test_a_clone_is_compared_with_ours(tmp_path):
    """A script of the same call as the authors', which only looks at its files."""
    (tmp_path / "inference.py").write_text(
        "import sys\n"
        "words = sys.argv[1:]\n"
        "paths = dict(zip(words[:8:2], words[1:8:2]))\n"
        "open(paths['--face'], 'rb').read(), open(paths['--audio'], 'rb').read()\n"
        "assert words[8] == '--box' and len(words) == 13\n"
        "open(paths['--outfile'], 'wb').write(b'video')\n"
    )

    report = measured("--seconds", "1", "--height", "120", "--upstream", str(tmp_path))

    assert [run["peer"] for run in report["runs"]] == ["ours", "upstream"]
    assert set(report["ratio"]) == {
        "cold_times_upstream_1s",
        "warm_times_upstream_1s",
        "rss_of_upstream_1s",
    }
