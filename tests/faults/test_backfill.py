"""A backfill that is killed and restarted, and never delays an interactive job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy import func, select

from jobs.states import Priority, State
from jobs.tables import Job
from tests.jobs import build
from tests.waiting import until

ROWS = 500
KILLED_AT = (100, 300)
MOST_OVERTAKEN = 3
"""Rows that may start between the commit of an interactive job and its message: 8 in flight."""


@pytest.fixture
def backfill(tmp_path, serve):
    """Start `kinomill backfill` on a file of 500 rows; kill it at the end of the test."""
    url = str(serve().base_url)
    rows = tmp_path / "rows.jsonl"
    options = {"steps": 1, "step_seconds": 0.02}
    rows.write_text("".join(json.dumps(options | {"gate": str(n)}) + "\n" for n in range(ROWS)))
    started = []

    def launch():
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "backfill", "--model", "faulty", str(rows)],
            env={"PATH": os.environ["PATH"], "KINOMILL_URL": url, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.kill()
        process.communicate()


def done(cluster):
    return build.count(cluster.sessions, State.SUCCEEDED)


def rows_started_before(cluster, job):
    """Rows that were waiting when this job was submitted, and started before it."""
    with cluster.sessions() as session:
        return session.scalar(
            select(func.count()).where(
                Job.priority == Priority.BACKGROUND,
                Job.created_at < job.created_at,
                Job.started_at > job.created_at,
                Job.started_at < job.started_at,
            )
        )


@pytest.mark.slow
def test_500_rows_killed_twice_create_500_jobs_and_never_delay_an_interactive_job(
    cluster, backfill
):
    cluster.start_worker()
    people = []

    for settled in KILLED_AT:
        process = backfill()
        until(lambda most=settled: done(cluster) >= most, seconds=120, what="some rows")
        people += [cluster.submit(options={"priority": Priority.INTERACTIVE}) for _ in range(5)]
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = backfill()
    output, _ = last.communicate(timeout=240)

    jobs = [cluster.ended(job_id) for job_id in people]
    assert last.returncode == 0, output
    assert f"{ROWS} done, 0 failed" in output
    assert done(cluster) == ROWS + len(people)
    assert max(rows_started_before(cluster, job) for job in jobs) <= MOST_OVERTAKEN
