"""How many SQL statements a request and a job take, counted at PostgreSQL's socket."""

from __future__ import annotations

import json
import struct
import subprocess
import sys

from bench.statements.recorder import ClientMessages

STARTUP = struct.pack("!II", 8, 196_608)


def message(kind, *parts):
    body = b"\0".join(parts)
    return kind + struct.pack("!I", len(body) + 4) + body


def test_executions_of_prepared_and_simple_statements_are_read():
    client = ClientMessages(1)
    sent = (
        STARTUP
        + message(b"Q", b"BEGIN", b"")
        + message(b"P", b"one", b"SELECT\n  1", b"\0\0")
        + message(b"B", b"", b"one", b"")
        + message(b"E", b"", b"\0\0\0\0")
    )

    found = [statement for at in range(len(sent)) for statement in client.feed(sent[at : at + 1])]

    assert [statement.sql for statement in found] == ["BEGIN", "SELECT 1"]
    assert [statement.is_transaction_command for statement in found] == [True, False]
    assert [statement.begins_round_trip for statement in found] == [True, False]


def test_a_statement_after_a_response_begins_a_round_trip():
    client = ClientMessages(1)
    client.feed(STARTUP + message(b"Q", b"SELECT 1", b""))
    client.answered = True

    (found,) = client.feed(message(b"Q", b"SELECT 2", b""))

    assert found.begins_round_trip


LIMITS = {"post": 4, "get_queued": 1, "get_ended": 1, "claim": 3, "publish": 3}
"""SQL statements at most, without BEGIN and COMMIT: docs/performance.md."""


def test_requests_and_jobs_take_few_statements():
    command = [sys.executable, "-m", "bench.statements"]
    process = subprocess.run(command, capture_output=True, check=True, text=True)

    report = json.loads(process.stdout)

    taken = {act: report[act]["statements"] for act in LIMITS}
    assert {act: count for act, count in taken.items() if not 0 < count <= LIMITS[act]} == {}
