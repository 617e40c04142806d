"""Rows for tests, created by the functions that create them in production."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

from sqlalchemy import func, select, update

from jobs import lease as leases
from jobs import service
from jobs.tables import Attempt, EventRow, Job

RESULT = {"key": "results/x.mp4"}


def submission(**changes):
    values = {
        "account": "local",
        "model": "preview-lipsync",
        "queue": "preview-lipsync",
        "input": {"image": "https://example.com/face.jpg"},
        "body_hash": "0" * 64,
        "labels": {},
    }
    return service.Submission(**(values | changes))


def submitted(sessions, **changes):
    """Submit a job; returns its id."""
    with sessions.begin() as session:
        job, _ = service.submit(session, submission(**changes))
    return job.id


def claimed(sessions, job_id, *, worker="kinomill@test", ttl=timedelta(seconds=60)):
    """Claim a job; returns its lease or None."""
    with sessions.begin() as session:
        return leases.claim(session, job_id, worker=worker, pid=os.getpid(), ttl=ttl)


def started(sessions, **options):
    """Submit and claim a job; returns its lease."""
    return claimed(sessions, submitted(sessions), **options)


def succeeded(sessions):
    """A succeeded job; returns its id."""
    lease = started(sessions)
    with sessions.begin() as session:
        leases.succeed(session, lease, result=RESULT, timings={})
    return lease.job_id


def canceled(sessions):
    """A canceled job; returns its id."""
    job_id = submitted(sessions)
    cancel(sessions, job_id)
    return job_id


def cancel(sessions, job_id):
    with sessions.begin() as session:
        return service.cancel(session, "local", job_id)


def expire(sessions, *job_ids):
    """Expire the leases of these jobs."""
    change(sessions, job_ids, lease_until=func.now() - timedelta(seconds=1))


def make_due(sessions, *job_ids):
    """Make these jobs due to be published."""
    change(sessions, job_ids, next_dispatch_at=func.now() - timedelta(seconds=1))


def change(sessions, job_ids, **values):
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id.in_(job_ids)).values(**values))


def job(sessions, job_id):
    with sessions() as session:
        return session.get_one(Job, job_id)


def attempt(sessions, job_id, number=1):
    with sessions() as session:
        return session.get_one(Attempt, (job_id, number))


def events(sessions, job_id):
    """The kinds of a job's events, in order."""
    query = select(EventRow.kind).where(EventRow.job_id == job_id).order_by(EventRow.id)
    with sessions() as session:
        return list(session.scalars(query))


def count(sessions, state):
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(Job).where(Job.state == state))


def at_once(*calls):
    """Make all calls concurrently, each in a thread; returns what they return or raise."""
    start = Barrier(len(calls))

    def run(call):
        start.wait()
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the test checks it
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def new_file_id():
    """A valid id of an uploaded file."""
    return f"file_{uuid4().hex}"
