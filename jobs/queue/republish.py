"""Ringing again for every job whose call was lost: the rows say when, and never for parked ones."""

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
LONGEST_BACKOFF = timedelta(minutes=10)
REPUBLISH_DELAY = timedelta(seconds=2)

_IDLE_BUT_PARKED = text("""
WITH RECURSIVE parked (account) AS (
    (SELECT account FROM jobs
     WHERE state = 'queued' AND next_dispatch_at IS NULL
     ORDER BY account LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.account FROM jobs
            WHERE state = 'queued' AND next_dispatch_at IS NULL AND jobs.account > parked.account
            ORDER BY jobs.account LIMIT 1)
    FROM parked WHERE parked.account IS NOT NULL
)
SELECT account FROM parked
WHERE account IS NOT NULL
    AND (SELECT count(*) FROM jobs WHERE jobs.account = parked.account AND state = 'running') = 0
ORDER BY account
""")
"""Goes through the accounts, not through the jobs: the cost does not depend on how many wait."""


def release_idle_accounts(session: Session) -> list[str]:
    """Release a job of each account that has parked ones and runs nothing.

    That is so when a release was lost, a released job was withdrawn, or the limit was lifted. One
    too many does no harm: it is parked again when its call is taken.
    """
    accounts = session.scalars(_IDLE_BUT_PARKED).all()
    released = [account_concurrency.release_next(session, account) for account in accounts]
    return [job_id for job_id in released if job_id is not None]


def republish_soon(session: Session, job_ids: Iterable[str]) -> None:
    """Bring the next ring of these jobs forward. Those that were parked meanwhile stay parked."""
    session.execute(
        update(Job)
        .where(Job.id.in_(list(job_ids)), Job.state == State.QUEUED)
        .where(Job.next_dispatch_at.is_not(None))
        .values(next_dispatch_at=func.now() + REPUBLISH_DELAY)
    )


def republish_all(session: Session) -> int:
    """Make every queued job due but the parked: for a broker that has lost its memory."""
    rows = session.execute(
        update(Job)
        .where(Job.state == State.QUEUED, Job.next_dispatch_at > func.now())
        .values(next_dispatch_at=func.now())
        .returning(Job.id)
    )
    return len(rows.all())


def due_messages(session: Session, *, limit: int = 100) -> list[JobMessage]:
    """Take the calls that are due, and write down when to ring again if nobody comes.

    A job that becomes more urgent by waiting is rung then; its older calls do no harm.
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
    """How long to wait for a claim after ring `number` before the next one."""
    return min(LONGEST_BACKOFF, FIRST_BACKOFF * (1 << min(number - 1, 10)))


def republish_due(sessions: SessionFactory, broker: Broker, keep_on: Callable[[], bool]) -> int:
    """Ring for every job that is due. Returns how many; raises `BrokerUnavailable`."""
    rung = 0
    while keep_on():
        with sessions.begin() as session:
            calls = due_messages(session)
        for position, call in enumerate(calls):
            try:
                broker.publish(call)
            except BrokerUnavailable:
                with sessions.begin() as session:
                    republish_soon(session, [missed.job_id for missed in calls[position:]])
                raise
        rung += len(calls)
        if not calls:
            break
    return rung
