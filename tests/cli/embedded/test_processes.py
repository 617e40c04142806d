from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from pathlib import Path

import pytest

import cli.embedded.processes
from cli.embedded.errors import EmbeddedError
from cli.embedded.os_user import OsUser
from cli.embedded.processes import LOG_LIMIT_BYTES, Daemon, command_line, start_time, wait_until

HERE = Path("/")


@pytest.fixture
def daemon(tmp_path):
    made = Daemon("Sleeper", pid_file=tmp_path / "pid", log=tmp_path / "log")
    yield made
    made.end((signal.SIGKILL, 5))


@pytest.fixture
def bystander():
    with subprocess.Popen(["sleep", "60"]) as running:
        yield running
        running.kill()


def launch(daemon, script):
    daemon.launch(["/bin/sh", "-c", script], folder=HERE, os_user=OsUser.current())


def test_a_server_is_detached_from_its_starter(daemon):
    launch(daemon, "exec sleep 60")

    pid = daemon.pid()
    assert daemon.alive()
    assert os.getsid(pid) != os.getsid(0)
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    assert "sleep 60" in command_line(pid)


def test_a_server_that_ignores_a_signal_is_sent_the_next(daemon):
    launch(daemon, "trap '' TERM; echo deaf >&2; while :; do sleep 0.05; done")
    wait_until(lambda: "deaf" in daemon.log_tail(), seconds=5)

    daemon.end((signal.SIGTERM, 0.2), (signal.SIGKILL, 5))

    assert not daemon.alive()


def test_a_server_that_does_not_stop_is_an_error(daemon):
    launch(daemon, "trap '' TERM; echo deaf >&2; while :; do sleep 0.05; done")
    wait_until(lambda: "deaf" in daemon.log_tail(), seconds=5)

    with pytest.raises(EmbeddedError, match=r"Sleeper does not end.\n(?s:.*)deaf"):
        daemon.end((signal.SIGTERM, 0.1))


def test_stopping_a_stopped_server_does_nothing(daemon):
    daemon.end((signal.SIGTERM, 1))

    assert not daemon.alive()


def test_a_recycled_pid_is_not_signaled(daemon, bystander, tmp_path):
    (tmp_path / "pid").write_text(f"{bystander.pid} {start_time(bystander.pid)}")

    daemon.end((signal.SIGKILL, 1))

    assert bystander.poll() is None


def test_a_pid_of_another_container_is_not_signaled(daemon, bystander, tmp_path, monkeypatch):
    monkeypatch.setattr(cli.embedded.processes, "SETTLE_SECONDS", 0.1)
    with (tmp_path / "pid").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (tmp_path / "pid").write_text(f"{bystander.pid} 1")

        with pytest.raises(EmbeddedError, match="another container"):
            daemon.end((signal.SIGKILL, 1))

    assert bystander.poll() is None


def test_a_failed_start_reports_the_log(daemon):
    launch(daemon, "echo an old line >&2")
    wait_until(lambda: not daemon.alive(), seconds=5)
    launch(daemon, "echo no room left >&2; exit 1")

    with pytest.raises(EmbeddedError, match="did not start") as failure:
        daemon.await_ready(lambda: False, seconds=5)

    assert "no room left" in str(failure.value)
    assert "an old line" not in str(failure.value)


def test_a_slow_server_keeps_running(daemon):
    launch(daemon, "exec sleep 60")

    with pytest.raises(EmbeddedError, match="not ready after 0 s"):
        daemon.await_ready(lambda: False, seconds=0.1)

    assert daemon.alive()


def test_a_log_does_not_grow_forever(daemon, tmp_path):
    with (tmp_path / "log").open("wb") as log:
        log.truncate(LOG_LIMIT_BYTES + 1)

    launch(daemon, "exec sleep 60")

    assert (tmp_path / "log").stat().st_size == 0
    assert (tmp_path / "log.old").stat().st_size > LOG_LIMIT_BYTES


def test_waiting_ends_at_the_timeout():
    assert not wait_until(lambda: False, seconds=0.1)
