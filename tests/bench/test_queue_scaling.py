"""A long queue slows nothing: no act reads the table of jobs from end to end."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from sqlalchemy import event

from bench import queue_scaling
from jobs import expiry
from tests.jobs.build import new_file_id

WAITING = 100_000


@pytest.fixture
def record(database_url):
    """A database in which 100,000 jobs wait."""
    record = queue_scaling.Record(database_url, WAITING)
    yield record
    record.engine.dispose()
    queue_scaling.maintain(database_url, f"DROP DATABASE waiting_{WAITING} WITH (FORCE)")


def expired(session, _):
    expiry.expired_jobs(session, limit=100)


def orphaned_inputs(session, _):
    expiry.orphaned_inputs(session, [f"inputs/{new_file_id()}" for _ in range(100)])


def orphaned_results(session, record):
    expiry.orphaned_results(session, [f"results/{record.first}/1-ab.mp4"])


def test_no_plan_reads_all_jobs(record):
    acts = [*queue_scaling.ACTS, expired, orphaned_inputs, orphaned_results]

    plans = {act.__name__: plans_of(record, act) for act in acts}

    assert [name for name, found in plans.items() if not found] == []
    assert [plan for found in plans.values() for plan in found if "Seq Scan on jobs" in plan] == []


def plans_of(record, act):
    """How PostgreSQL does each statement of an act, which is rolled back."""
    plans = []

    def explain(connection, _cursor, statement, parameters, _context, _many):
        if statement.lstrip().startswith(("SELECT", "UPDATE", "INSERT", "DELETE", "WITH")):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {statement}", parameters)
                plans.append("\n".join(row[0] for row in cursor.fetchall()))

    event.listen(record.engine, "before_cursor_execute", explain)
    try:
        with record.sessions() as session:
            act(session, record)
            session.flush()
            session.rollback()
    finally:
        event.remove(record.engine, "before_cursor_execute", explain)
    return plans


def test_the_bench_prints_what_it_measured():
    command = [sys.executable, "-m", "bench.queue_scaling"]
    options = ["--rounds", "1", "--rows", "500", "--repeats", "2"]
    shown = subprocess.run([*command, *options], capture_output=True, check=True, text=True)

    report = json.loads(shown.stdout)

    assert set(report["ratio"]) == {act.__name__ for act in queue_scaling.ACTS}
    assert report["bench"] == "growth"
    assert len(shown.stderr.splitlines()) == len(report["runs"]) == 1
