"""Programs that cannot start, or are interrupted while they start: a sentence, no traceback."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

from tests.kinomill.cli.command import environment, kinomill
from tests.runtime.test_each_setting import REQUIRED

VARIABLES = REQUIRED | {
    "DATABASE_URL": "postgresql://127.0.0.1:9/x",
    "KINOMILL_STORAGE": "/nowhere",
}


@pytest.fixture
def taken():
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


@pytest.mark.parametrize("program", ["api", "flower"])
@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("127.0.0.1", "(Address already in use)"),
        ("203.0.113.1", "(Cannot assign requested address)"),
        ("no..host", "(it is no name of a host)"),
    ],
)
def test_an_address_that_nobody_can_listen_on(taken, program, host, reason):
    variables = VARIABLES | {"KINOMILL_FLOWER_PASSWORD": "a long password"}

    shown = kinomill(program, "--host", host, "--port", taken, **variables)

    assert shown.returncode == 1
    assert f"nobody can listen on {host}, port {taken} {reason}: use another --host" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_ctrl_c_while_modules_are_imported():
    program = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "maintenance"],
        env=environment(**VARIABLES), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not program.stderr.readline().rstrip().endswith(" pydantic.fields"):
        assert program.poll() is None

    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=60)

    assert program.returncode == 130
    assert "Traceback" not in said
