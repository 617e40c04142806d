"""`kinomill top` as a process: one frame, frames in a pipe, JSON, and Ctrl-C in a terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys

import pytest

from cli.settings import environment
from jobs.overview.overview import Overview
from tests.api.serving import closed_port
from tests.jobs import build
from tests.waiting import until

COMMAND = [sys.executable, "-m", "cli.main", "top"]


@pytest.fixture
def variables(database_url, broker_url, tmp_path):
    return environment(DATABASE_URL=database_url, REDIS_URL=broker_url, KINOMILL_HOME=str(tmp_path))


def run(variables, *options):
    return subprocess.run(
        [*COMMAND, *options], env=variables, capture_output=True, text=True, check=False
    )


def test_one_frame_says_what_runs_and_what_is_wrong(variables, sessions):
    lease = build.started(sessions)

    shown = run(variables, "--once")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert lease.job_id in shown.stdout
    assert "No maintenance program has worked" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_json_is_the_overview(variables, sessions):
    build.submitted(sessions)

    shown = run(variables, "--once", "--json")

    found = Overview.model_validate_json(shown.stdout)
    assert [queue.waiting for queue in found.queues] == [1]
    assert found.broker == "ok"


def test_an_api_is_asked_by_its_address(server, sessions, tmp_path):
    build.submitted(sessions)

    shown = run(environment(KINOMILL_HOME=str(tmp_path)), "--url", str(server), "--once", "--json")

    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["queues"][0]["waiting"] == 1


def test_a_home_in_which_nothing_runs_is_named_and_no_api_is_asked(tmp_path):
    shown = run(environment(), "--once", "--home", str(tmp_path))

    assert shown.returncode == 1
    assert f"nothing runs in {tmp_path}" in " ".join(shown.stderr.split())


@pytest.mark.parametrize("where", ["database", "api"])
def test_what_cannot_be_reached_is_one_sentence(variables, where, tmp_path):
    dead = f"127.0.0.1:{closed_port()}"
    changes = {"DATABASE_URL": f"postgresql://me:secret@{dead}/db"} if where == "database" else {}
    options = ["--url", f"http://{dead}"] if where == "api" else []

    shown = run(variables | changes, "--once", *options)

    assert (shown.returncode, shown.stdout) == (1, "")
    assert "Traceback" not in shown.stderr
    assert "secret" not in shown.stderr
    assert len(shown.stderr.strip().splitlines()) <= 3


@pytest.mark.usefixtures("sessions")
def test_ctrl_c_restores_the_terminal(variables):
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--interval", "0.5"],
        env=variables | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
        stdin=child, stdout=child, stderr=child,
    )  # fmt: skip
    os.close(child)
    written = b""

    def frames():
        nonlocal written
        written += os.read(parent, 65_536)
        return written.count(b"kinomill top") > 1

    until(frames, seconds=30, what="two frames")
    process.send_signal(signal.SIGINT)

    rest = read_all(parent)  # first: a full terminal would hold the program
    os.close(parent)
    assert process.wait(20) == 0
    assert b"\x1b[?1049h" in written
    assert b"\x1b[?1049l" in rest
    assert b"\x1b[?25h" in rest
    assert b"Traceback" not in rest


def read_all(parent):
    """What is left in a terminal whose other end is closed."""
    found = b""
    while True:
        try:
            chunk = os.read(parent, 65_536)
        except OSError:
            return found
        if not chunk:
            return found
        found += chunk


@pytest.mark.usefixtures("sessions")
def test_a_pipe_gets_frame_after_frame_and_sigterm_ends_it(variables):
    process = subprocess.Popen(
        [*COMMAND, "--json", "--interval", "0.5"],
        env=variables | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
    )
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGTERM)
    process.stdout.close()

    assert process.wait(20) == 143
    assert json.loads(lines[0])["at"] < json.loads(lines[1])["at"]
