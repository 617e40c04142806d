"""Connections are limited, in total and by address, and silent callers shut nobody out."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack

from api.connections.limits import SPARE, ConnectionLimits
from tests.api.connections.echo import answered, connect, echoing, rest
from tests.api.program import program
from tests.waiting import until

ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HOLD = b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n"


def limits(connections, per_address):
    return ConnectionLimits(connections, per_address, read_seconds=30)


def from_address(port, address, data):
    opened = socket.socket()
    opened.settimeout(20)
    opened.bind((address, 0))
    opened.connect(("127.0.0.1", port))
    opened.sendall(data)
    return opened


def test_the_longest_silent_connection_makes_room():
    with echoing(limits(4, 4)) as (port, server), ExitStack() as opened:
        silent = [opened.enter_context(connect(port)) for _ in range(4)]
        until(lambda: len(server._opened) == 4, what="four connections")

        assert answered(rest(connect(port, ASK)))[0] == 200
        silent[1].sendall(ASK)
        assert answered(rest(silent[1]))[0] == 200
        assert len(server._opened) < 4


def test_a_connection_beyond_busy_ones_is_told_so_and_later_ones_are_closed():
    with echoing(limits(2, 2)) as (port, server), ExitStack() as opened:
        for _ in range(2):
            opened.enter_context(connect(port, HOLD))
        until(lambda: not server._opened._waiting and len(server._opened) == 2, what="two requests")

        status, problem = answered(rest(connect(port, ASK)))
        assert (status, problem["code"], problem["retryable"]) == (
            503,
            "too_many_connections",
            True,
        )
        many = [opened.enter_context(connect(port)) for _ in range(3 * SPARE)]
        until(lambda: len(many) == 3 * SPARE and len(server._opened) <= 3, what="few connections")


def test_one_address_cannot_take_all_connections():
    with echoing(limits(6, 2)) as (port, server), ExitStack() as opened:
        for _ in range(2):
            opened.enter_context(from_address(port, "127.0.0.2", HOLD))
        until(lambda: not server._opened._waiting and len(server._opened) == 2, what="two requests")

        assert answered(rest(from_address(port, "127.0.0.2", ASK)))[0] == 503
        assert answered(rest(from_address(port, "127.0.0.3", ASK)))[0] == 200


def test_closed_connections_are_forgotten():
    with echoing(limits(6, 6)) as (port, server):
        for _ in range(20):
            assert answered(rest(connect(port, ASK)))[0] == 200
        until(lambda: len(server._opened) == 0, what="no connection")
        assert not server._opened._by_address
        assert not server._opened._waiting


FITTING = """
import resource, sys, json
from dataclasses import asdict
from api.connections.limits import ConnectionLimits, fitting
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
found = fitting(ConnectionLimits())
print(json.dumps([asdict(found), resource.getrlimit(resource.RLIMIT_NOFILE)[0]]))
"""


def fitted(soft, hard):
    command = [sys.executable, "-c", FITTING, str(soft), str(hard)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(shown.stdout.splitlines()[-1])


def test_limits_fit_the_descriptors_that_the_process_may_open():
    assert fitted(1024, 4096)[0]["connections"] == 1000
    assert fitted(1024, 1024) == [
        {"connections": 736, "per_address": 368, "read_seconds": 10.0},
        1024,
    ]


def test_1200_silent_connections_at_1024_descriptors_stop_nobody(make_settings, tmp_path):
    """They once killed the API, which wrote 652,768 lines before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with program(make_settings(), tmp_path, files=1024) as (_, port, log), ExitStack() as opened:
        silent = [opened.enter_context(connect(port)) for _ in range(1200)]
        answers = [answered(rest(connect(port, ASK.replace(b"/ ", b"/livez ")))) for _ in range(20)]

        assert len(silent) == 1200
        assert {status for status, _ in answers} == {200}
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(log.read_text().splitlines()) < 100
