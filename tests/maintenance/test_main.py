"""`python -m maintenance`: a program of its own, started and stopped like the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from jobs.states import State
from tests.jobs import build
from tests.waiting import until


@pytest.fixture
def environment(database_url, broker_url, tmp_path):
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "REDIS_URL": broker_url,
        "KINOMILL_STORAGE": str(tmp_path / "objects"),
        "KINOMILL_SECRET_KEY": "s" * 32,
        "KINOMILL_HEARTBEAT_FILE": str(tmp_path / "alive"),
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_recovers_jobs_until_a_signal_stops_it(sessions, environment, number):
    lease = build.started(sessions)
    build.expire(sessions, lease.job_id)
    program = subprocess.Popen(
        [sys.executable, "-m", "maintenance"], env=environment, stderr=subprocess.PIPE, text=True
    )

    try:
        until(
            lambda: build.job(sessions, lease.job_id).state == State.QUEUED,
            seconds=30,
            what="the recovered job",
        )
        program.send_signal(number)
        _, logs = program.communicate(timeout=30)
    finally:
        program.kill()

    assert program.returncode == 0
    assert "maintenance stopped" in logs


def test_importing_the_program_starts_nothing(environment):
    code = "import maintenance.program, threading; print(threading.active_count())"

    shown = subprocess.run(
        [sys.executable, "-c", code], env={"PATH": environment["PATH"]}, capture_output=True,
        text=True, timeout=60, check=True,
    )  # fmt: skip

    assert shown.stdout == "1\n"
