"""Rows for tests, created by the functions that create them in production."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

from sqlalchemy import func, select, update

from jobs import lease as leases
from jobs import service
from jobs.queue.active_counts import ActiveCounts
from jobs.queue.admission import Limits
from jobs.queue.claim import Claimant, claim
from jobs.queue.snapshot import read_queues
from jobs.queue.submission import Submission, SubmissionBatch
from jobs.queue.submission_sql import INSERT
from jobs.states import State
from jobs.tables import Attempt, EventRow, Job
from runtime.async_database import AsyncConnection

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
    return Submission(**(values | changes))


def submitted(sessions, **changes):
    """Submit a job; returns its id."""
    [accepted] = submit(sessions, submission(**changes))
    return accepted.job.id


def queues(sessions, *models, count_to=1000):
    """The state of the queues of these models, as the API reads it."""
    url = sessions.kw["bind"].url.render_as_string(hide_password=False)
    named = {model: model for model in models or ("preview-lipsync",)}

    async def read():
        connection = AsyncConnection(url)
        try:
            return await connection.run(
                lambda opened: read_queues(opened, named, count_to=count_to)
            )
        finally:
            await connection.close()

    return asyncio.run(read())


NO_LIMITS = Limits(10**9, 10**9, timedelta(days=999))


def submit(sessions, *submissions, limits=NO_LIMITS, counts=None):
    """Submit a batch by the statements of the API; returns what became of each submission."""
    batch = SubmissionBatch(submissions, limits, counts or ActiveCounts())
    while batch.unsettled:
        with sessions.begin() as session:
            connection = session.connection().connection.driver_connection
            rows = connection.execute(INSERT, batch.parameters()).fetchall()
        batch.settle(rows)
    return batch.outcomes()


def claimant(**changes):
    """A worker that claims a job of the model of `submission`."""
    values = {
        "model": "preview-lipsync",
        "queue": "preview-lipsync",
        "worker": "kinomill@test",
        "pid": os.getpid(),
        "task_id": None,
        "ttl": timedelta(seconds=60),
    }
    return Claimant(**(values | changes))


def claim_next(sessions, **changes):
    """Claim the most urgent job of a queue; returns its lease or None."""
    with sessions.begin() as session:
        return claim(session, claimant(**changes), uuid4()).lease


def claimed(sessions, job_id, **changes):
    """Claim a job, also a retry before it is due; returns its lease or None.

    It must be the most urgent one of its queue.
    """
    soon = job(sessions, job_id)
    if soon.state == State.QUEUED and soon.due_at is not None:
        make_due(sessions, job_id)
    lease = claim_next(sessions, model=soon.model, queue=soon.queue, **changes)
    assert lease is None or lease.job_id == job_id
    return lease


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


def cancel(sessions, job_id, *, account="local"):
    with sessions.begin() as session:
        return service.cancel(session, account, job_id)


def expire(sessions, *job_ids):
    """Expire the leases of these jobs."""
    change(sessions, job_ids, lease_until=func.now() - timedelta(seconds=1))


def make_due(sessions, *job_ids):
    """Make these jobs due: a worker may claim them."""
    change(sessions, job_ids, due_at=func.now() - timedelta(seconds=1))


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
