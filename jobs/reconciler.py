"""Ringing again for every job whose call was lost: the rows say when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from jobs.dispatch import BrokerUnavailable, Call, Doorbell, call_for
from jobs.states import State
from jobs.tables import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.orm import Session

    from jobs.database import SessionFactory

FIRST_BACKOFF = timedelta(seconds=30)
LONGEST_BACKOFF = timedelta(minutes=10)
RING_SOON = timedelta(seconds=2)


def ring_soon(session: Session, job_ids: Iterable[str]) -> None:
    """Bring the next ring of these jobs forward."""
    session.execute(
        update(Job)
        .where(Job.id.in_(list(job_ids)), Job.state == State.QUEUED)
        .values(next_dispatch_at=func.now() + RING_SOON)
    )


def ring_for_all(session: Session) -> int:
    """Make every queued job due: for a broker that has lost its memory."""
    rows = session.execute(
        update(Job)
        .where(Job.state == State.QUEUED, Job.next_dispatch_at > func.now())
        .values(next_dispatch_at=func.now())
        .returning(Job.id)
    )
    return len(rows.all())


def due_calls(session: Session, *, limit: int = 100) -> list[Call]:
    """Take the calls that are due, and write down when to ring again if nobody comes."""
    due = session.scalars(
        select(Job)
        .where(Job.state == State.QUEUED, Job.next_dispatch_at <= func.now())
        .order_by(Job.next_dispatch_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for job in due:
        job.dispatch_no += 1
        job.next_dispatch_at = func.now() + backoff(job.dispatch_no)
    return [call_for(job) for job in due]


def backoff(number: int) -> timedelta:
    """How long to wait for a claim after ring `number` before the next one."""
    return min(LONGEST_BACKOFF, FIRST_BACKOFF * (1 << min(number - 1, 10)))


def reconcile(sessions: SessionFactory, doorbell: Doorbell, keep_on: Callable[[], bool]) -> int:
    """Ring for every job that is due. Returns how many; raises `BrokerUnavailable`."""
    rung = 0
    while keep_on():
        with sessions.begin() as session:
            calls = due_calls(session)
        for position, call in enumerate(calls):
            try:
                doorbell.ring(call)
            except BrokerUnavailable:
                with sessions.begin() as session:
                    ring_soon(session, [missed.job_id for missed in calls[position:]])
                raise
        rung += len(calls)
        if not calls:
            break
    return rung
