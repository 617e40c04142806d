"""Logs of a job, by the client and from a terminal."""

from __future__ import annotations

import json

from jobs import lease as leases
from jobs.attempt_logs.store import LogLines
from tests.jobs.build import claimed, submitted
from tests.kinomill.cli.command import kinomill

LINE = {"at": "2026-01-01T00:00:00+00:00", "level": "info", "event": "x", "fields": {"a": 1}}


def test_a_log_is_read_and_followed_to_the_end(server, client, sessions):
    lease = claimed(sessions, submitted(sessions))
    with sessions.begin() as session:
        report = leases.AttemptReport(log=LogLines(2, (LINE, LINE | {"event": "y"})))
        leases.cancel(session, lease, report=report)

    [attempt] = client.logs(lease.job_id)
    text = kinomill("logs", lease.job_id, "--follow", KINOMILL_URL=server)
    raw = kinomill("logs", lease.job_id, "--json", KINOMILL_URL=server)

    assert [line.event for line in attempt.lines] == ["x", "y"]
    assert (attempt.outcome, attempt.dropped) == ("canceled", 2)
    assert text.stdout.splitlines() == [
        "… 2 older lines of attempt 1 are not kept",
        "00:00:00  1  info     x  a=1",
        "00:00:00  1  info     y  a=1",
    ], text.stderr
    assert [json.loads(line)["event"] for line in raw.stdout.splitlines()] == ["x", "y"]
