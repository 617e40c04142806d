"""`bench.service` runs and prints its report; the peers' environments are not needed for that."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.service import report

OPTIONS = "--rounds 1 --contestants kinomill --seconds 0.5 --jobs 5 --workers 1 --backlog 20"


def run_benchmark(*options):
    command = [sys.executable, "-m", "bench.service", *OPTIONS.split(), *options]
    process = subprocess.run(command, capture_output=True, check=True, text=True)
    measured = json.loads(process.stdout)
    assert measured["bench"] == "service"
    (run,) = measured["runs"]
    assert len(run["load"]) == 3
    return run["figures"], process.stderr


def test_requests_are_measured():
    figures, table = run_benchmark("--measure", "requests")

    assert figures["post_c1_bad"] == figures["post_c16_bad"] == 0
    assert min(figures["post_c16_rps"], figures["get_queued_c16_rps"]) > 0
    assert 0 < figures["post_c16_p50_ms"] <= figures["post_c16_p99_ms"]
    assert figures["post_api_cpu_ms"] > 0
    assert "CPU ms of the API per POST" in table


@pytest.mark.slow
def test_jobs_are_measured():
    figures, _ = run_benchmark("--measure", "jobs", "throughput")

    assert 0 < figures["job_poll_p50_ms"] <= figures["job_poll_p99_ms"]
    assert figures["job_wait_p50_ms"] > 0
    assert figures["jobs_per_second_1"] > 0


@pytest.mark.slow
def test_telemetry_is_compared_in_bursts():
    command = [sys.executable, "-m", "bench.service", "--telemetry", "--rounds", "2"]
    run = subprocess.run([*command, "--requests", "40"], capture_output=True, check=True, text=True)

    measured = json.loads(run.stdout)
    assert measured["bench"] == "telemetry"
    for act in ("post", "get_queued", "get_ended"):
        assert measured[act]["on_cpu_ms"] > 0
        assert measured[act]["on_to_off"] > 0


def test_a_goal_relative_to_a_peer_is_checked_by_the_ratio():
    runs = [
        {"contestant": "kinomill", "figures": {"post_c16_rps": 1000}},
        {"contestant": "kinomill", "figures": {"post_c16_rps": 1200}},
        {"contestant": "naive", "figures": {"post_c16_rps": 300}},
    ]

    (goal,) = report.summarize(runs)["goals"]

    assert goal == {
        "figure": "post_c16_rps",
        "goal": ">= 5 x naive",
        "value": 3.667,
        "met": False,
    }
