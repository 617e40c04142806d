"""Limit of concurrently running jobs per account: jobs over the limit are held.

A held job is queued without a `next_dispatch_at`: its message is not published until a job of its
account leaves `running`. Hold and release take one advisory lock per account, so that a release
cannot miss a job that is being held. The lock is always taken after the locks on rows, so that the
two cannot deadlock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from jobs.states import State
from jobs.tables import Job

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_HELD = (Job.state == State.QUEUED, Job.next_dispatch_at.is_(None))


def hold_if_at_limit(session: Session, job_id: str, *, max_running: int) -> bool:
    """Hold a queued job if its account runs `max_running` jobs. True: it is held, or not queued."""
    queued = select(Job.account).where(Job.id == job_id, Job.state == State.QUEUED)
    account = session.scalar(queued.with_for_update())
    if account is None:
        return True
    _lock(session, account)
    running = select(func.count()).where(Job.account == account, Job.state == State.RUNNING)
    if (session.scalar(running) or 0) < max_running:
        return False
    session.execute(update(Job).where(Job.id == job_id).values(next_dispatch_at=None))
    return True


def release_next(session: Session, account: str) -> str | None:
    """Release the first held job of an account, after one of its jobs left `running`.

    Returns the id of the job, which is due now. None: no job is held.
    """
    _lock(session, account)
    first = session.scalar(
        select(Job.id)
        .where(Job.account == account, *_HELD)
        .order_by(Job.priority, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if first is not None:
        session.execute(update(Job).where(Job.id == first).values(next_dispatch_at=func.now()))
    return first


def _lock(session: Session, account: str) -> None:
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext(account))))
