"""A long queue slows no operation: none of them scans the whole table of jobs."""

from __future__ import annotations

import json
import subprocess
import sys

from bench.queue_scaling.__main__ import ACTS, CALLER_ACTS, SeededService
from bench.queue_scaling.database import OPERATIONS
from bench.service.servers import Servers
from jobs import expiry
from tests.jobs.build import new_file_id

WAITING = 100_000


def expired(session, _):
    expiry.expired_jobs(session, limit=100)


def orphaned_inputs(session, _):
    expiry.orphaned_inputs(session, [f"inputs/{new_file_id()}" for _ in range(100)])


def orphaned_results(session, database):
    expiry.orphaned_results(session, [f"results/{database.first}/1-ab.mp4"])


def test_no_act_reads_the_whole_table_of_jobs():
    with Servers() as servers:
        service = SeededService(servers, WAITING)
        for act in CALLER_ACTS:
            service.time(act)
        for operation in (*OPERATIONS, expired, orphaned_inputs, orphaned_results):
            service.time_operation(operation)

        scans = service.full_scans()
        service.stop()

    assert scans == 0


def test_the_benchmark_prints_its_report():
    command = [sys.executable, "-m", "bench.queue_scaling"]
    options = ["--rounds", "1", "--rows", "500", "--repeats", "2"]
    process = subprocess.run([*command, *options], capture_output=True, check=True, text=True)

    report = json.loads(process.stdout)

    names = {operation.__name__ for operation in ACTS}
    assert set(report["ratio"]) == names
    assert report["bench"] == "queue_scaling"
    assert len(process.stderr.splitlines()) == len(report["runs"]) == 1
