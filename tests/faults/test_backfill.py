"""A backfill beside other work: killed and started again, and never in a person's way."""

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
"""Rows may still begin between the commit of a person's job and its ring; eight are in flight."""


@pytest.fixture
def backfill(tmp_path, serve):
    """Starts `kinomill backfill` on a file of 500 rows; what still runs is killed."""
    url = str(serve().base_url)
    rows = tmp_path / "rows.jsonl"
    wish = {"steps": 1, "step_seconds": 0.02}
    rows.write_text("".join(json.dumps(wish | {"gate": str(n)}) + "\n" for n in range(ROWS)))
    started = []

    def launch():
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "backfill", "--model", "actor", str(rows)],
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


def done(crew):
    return build.count(crew.sessions, State.SUCCEEDED)


def overtaken_by(crew, job):
    """Rows that waited when this job came, and began before it did."""
    with crew.sessions() as session:
        return session.scalar(
            select(func.count()).where(
                Job.priority == Priority.BACKGROUND,
                Job.created_at < job.created_at,
                Job.started_at > job.created_at,
                Job.started_at < job.started_at,
            )
        )


@pytest.mark.slow
def test_500_rows_killed_twice_make_500_jobs_and_a_person_never_waits_for_them(crew, backfill):
    crew.hire()
    people = []

    for settled in KILLED_AT:
        process = backfill()
        until(lambda most=settled: done(crew) >= most, seconds=120, what="some rows")
        people += [crew.submit(wish={"priority": Priority.INTERACTIVE}) for _ in range(5)]
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = backfill()
    output, _ = last.communicate(timeout=240)

    jobs = [crew.ended(job_id) for job_id in people]
    assert last.returncode == 0, output
    assert f"{ROWS} done, 0 failed" in output
    assert done(crew) == ROWS + len(people)
    assert max(overtaken_by(crew, job) for job in jobs) <= MOST_OVERTAKEN
