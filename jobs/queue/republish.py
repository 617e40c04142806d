"""Publish again for jobs whose message was lost: each row says when. Held jobs are left out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Interval, func, select, text, type_coerce, update

from jobs import account_concurrency
from jobs.queue.broker import Broker, BrokerUnavailable, JobMessage, message_for
from jobs.queue.estimate import effective_priority, next_priority_increase
from jobs.states import State
from jobs.tables import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.orm import Session

    from runtime.database import SessionFactory

FIRST_BACKOFF = timedelta(seconds=30)
MAX_BACKOFF = timedelta(minutes=10)
"""Wait for a claim after the first publication; doubled after each one, up to the maximum."""
REPUBLISH_DELAY = timedelta(seconds=2)
"""Wait after a publication that failed."""

_IDLE_ACCOUNTS_WITH_HELD_JOBS = text("""
WITH RECURSIVE held (account) AS (
    (SELECT account FROM jobs
     WHERE state = 'queued' AND next_dispatch_at IS NULL
     ORDER BY account LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.account FROM jobs
            WHERE state = 'queued' AND next_dispatch_at IS NULL AND jobs.account > held.account
            ORDER BY jobs.account LIMIT 1)
    FROM held WHERE held.account IS NOT NULL
)
SELECT account FROM held
WHERE account IS NOT NULL
    AND (SELECT count(*) FROM jobs WHERE jobs.account = held.account AND state = 'running') = 0
ORDER BY account
""")
"""Steps through accounts, not jobs, so that the cost does not depend on the number of jobs."""


def release_idle_accounts(session: Session) -> list[str]:
    """Release one job of each account that has held jobs and runs none. Returns their ids.

    This happens when a release was lost, a released job was canceled, or the limit was removed.
    One release too many is harmless: the job is held again when a worker claims it.
    """
    accounts = session.scalars(_IDLE_ACCOUNTS_WITH_HELD_JOBS).all()
    released = [account_concurrency.release_next(session, account) for account in accounts]
    return [job_id for job_id in released if job_id is not None]


def republish_soon(session: Session, job_ids: Iterable[str]) -> None:
    """Publish these jobs again after `REPUBLISH_DELAY`. Jobs held meanwhile stay held."""
    session.execute(
        update(Job)
        .where(Job.id.in_(list(job_ids)), Job.state == State.QUEUED)
        .where(Job.next_dispatch_at.is_not(None))
        .values(next_dispatch_at=func.now() + REPUBLISH_DELAY)
    )


def republish_all(session: Session) -> int:
    """Make every queued job that is not held due now, after the broker was flushed."""
    rows = session.execute(
        update(Job)
        .where(Job.state == State.QUEUED, Job.next_dispatch_at > func.now())
        .values(next_dispatch_at=func.now())
        .returning(Job.id)
    )
    return len(rows.all())


def due_messages(session: Session, *, limit: int = 100) -> list[JobMessage]:
    """Messages of jobs that are due; also sets when each is due again if no worker claims it.

    A job is also due when its effective priority increases. Its older messages are harmless: the
    job can be claimed only once.
    """
    due = session.execute(
        select(Job, type_coerce(func.now() - Job.created_at, Interval))
        .where(Job.state == State.QUEUED, Job.next_dispatch_at <= func.now())
        .order_by(Job.next_dispatch_at, Job.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for job, waited in due:
        job.dispatch_no += 1
        pause = backoff(job.dispatch_no)
        job.next_dispatch_at = func.now() + min(
            pause, next_priority_increase(job.priority, waited) or pause
        )
    return [message_for(job, effective_priority(job.priority, waited)) for job, waited in due]


def backoff(number: int) -> timedelta:
    """Wait for a claim after publication `number` before the next one."""
    return min(MAX_BACKOFF, FIRST_BACKOFF * (1 << min(number - 1, 10)))


def republish_due(sessions: SessionFactory, broker: Broker, keep_on: Callable[[], bool]) -> int:
    """Publish every job that is due, and return how many. Raises `BrokerUnavailable`.

    Messages that were not published are due again after `REPUBLISH_DELAY`.
    """
    published = 0
    while keep_on():
        with sessions.begin() as session:
            messages = due_messages(session)
        for position, message in enumerate(messages):
            try:
                broker.publish(message)
            except BrokerUnavailable:
                with sessions.begin() as session:
                    republish_soon(session, [missed.job_id for missed in messages[position:]])
                raise
        published += len(messages)
        if not messages:
            break
    return published
