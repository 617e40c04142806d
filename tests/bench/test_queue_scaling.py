"""A long queue slows no operation: none of them scans the whole table of jobs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import make_url

from bench.queue_scaling import __main__ as queue_scaling
from bench.queue_scaling.database import WORKER_OPERATIONS, SeededDatabase, maintain
from bench.seed_jobs import ACCOUNT, MODEL
from jobs import expiry, rows, service
from jobs.queue import snapshot
from jobs.queue.active_counts import ActiveCounts
from jobs.queue.submission import SubmissionBatch
from jobs.queue.submission_sql import INSERT
from migrations.upgrade import upgrade
from tests.jobs.build import NO_LIMITS, new_file_id, submission

WAITING = 100_000


@pytest.fixture
def database(database_url):
    """A database with 100,000 waiting jobs."""
    maintain(database_url, "CREATE DATABASE waiting")
    url = make_url(database_url).set(database="waiting").render_as_string(hide_password=False)
    upgrade(url)
    database = SeededDatabase(url, WAITING)
    yield database
    database.engine.dispose()
    maintain(database_url, "DROP DATABASE waiting WITH (FORCE)")


def submit(session, _):
    batch = SubmissionBatch([submission(account=ACCOUNT)], NO_LIMITS, ActiveCounts())
    run(session, INSERT, batch.parameters())


def find(session, database):
    run(session, rows.FIND, ([database.last],))


def list_page(session, database):
    service.page(session, ACCOUNT, service.Filter(), before=database.last, limit=20)


def read_queues(session, _):
    run(session, snapshot.QUEUES, snapshot.values({MODEL: MODEL}, count_to=WAITING))


def run(session, statement, values):
    """Run a statement of `runtime.async_database`, whose connections do not scan tables."""
    session.execute(text("SET LOCAL enable_seqscan = off"))
    session.connection().exec_driver_sql(statement, values)


def expired(session, _):
    expiry.expired_jobs(session, limit=100)


def orphaned_inputs(session, _):
    expiry.orphaned_inputs(session, [f"inputs/{new_file_id()}" for _ in range(100)])


def orphaned_results(session, database):
    expiry.orphaned_results(session, [f"results/{database.first}/1-ab.mp4"])


def test_no_query_plan_scans_all_jobs(database):
    of_callers = [submit, find, list_page, read_queues]
    of_maintenance = [expired, orphaned_inputs, orphaned_results]
    operations = [*of_callers, *WORKER_OPERATIONS, *of_maintenance]

    plans = {operation.__name__: plans_of(database, operation) for operation in operations}

    assert [name for name, found in plans.items() if not found] == []
    assert [plan for found in plans.values() for plan in found if "Seq Scan on jobs" in plan] == []


def plans_of(database, operation):
    """PostgreSQL's query plan of each statement of an operation, which is rolled back."""
    plans = []

    def explain(connection, _cursor, statement, parameters, _context, _many):
        if statement.lstrip().startswith(("SELECT", "UPDATE", "INSERT", "DELETE", "WITH")):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {statement}", parameters)
                plans.append("\n".join(row[0] for row in cursor.fetchall()))

    event.listen(database.engine, "before_cursor_execute", explain)
    try:
        with database.sessions() as session:
            operation(session, database)
            session.flush()
            session.rollback()
    finally:
        event.remove(database.engine, "before_cursor_execute", explain)
    return plans


def test_the_benchmark_prints_its_report():
    command = [sys.executable, "-m", "bench.queue_scaling"]
    options = ["--rounds", "1", "--rows", "500", "--repeats", "2"]
    process = subprocess.run([*command, *options], capture_output=True, check=True, text=True)

    report = json.loads(process.stdout)

    names = {operation.__name__ for operation in queue_scaling.ACTS}
    assert set(report["ratio"]) == names
    assert report["bench"] == "queue_scaling"
    assert len(process.stderr.splitlines()) == len(report["runs"]) == 1
