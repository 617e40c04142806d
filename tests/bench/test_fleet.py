"""Simulated workers take jobs, directly and through a pooler, within the connections they have."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from runtime.postgres.connections import Installation
from tests.pooler import needs_pgbouncer

WORKERS = 3
OPTIONS = f"--workers {WORKERS} --seconds 3 --job-seconds 0.5"


def run(*options):
    command = [sys.executable, "-m", "bench.fleet", *OPTIONS.split(), *options]
    process = subprocess.run(command, capture_output=True, check=True, text=True)
    head, *phases = [json.loads(line) for line in process.stdout.splitlines()]
    return head, {phase["phase"]: phase for phase in phases}


def check(phases, *, sessions):
    assert list(phases) == ["registration", "idle", "busy"]
    assert {phase["workers alive"] for phase in phases.values()} == {WORKERS}
    busy = phases["busy"]
    assert busy["counts"]["jobs"] > 0
    assert {"claim", "end"} <= set(busy["acts"])
    assert max(phase["connections"]["most"] for phase in phases.values()) <= sessions
    assert "claim" not in phases["idle"]["acts"]


@pytest.mark.slow
def test_workers_connect_directly():
    _, phases = run()

    check(phases, sessions=Installation(workers=WORKERS).busy + 2)
    assert "pgbouncer CPU" not in phases["busy"]["per second"]


@pytest.mark.slow
@needs_pgbouncer
def test_workers_share_the_sessions_of_a_pooler():
    head, phases = run("--pooler", "--pool-size", "4")

    assert head["options"]["pooler"]
    check(phases, sessions=4 + 3)
    assert "pgbouncer CPU" in phases["busy"]["per second"]
