"""What a worker's parent does with the jobs of a child that died, hangs or takes too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from jobs import lease as leases
from jobs.errors import AttemptFailed, ErrorCode
from jobs.lease import Lease
from jobs.states import State
from jobs.tables import Attempt, Job

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.orm import Session


def expire_lease(session: Session, job_id: str, *, worker: str, task_id: str | None = None) -> bool:
    """Expire the lease of a dead child's job, so that the reaper recovers the job now.

    With a `task_id`, only the attempt that this message started: a dead child is noticed late, and
    the next child may run the same job by then. Returns whether a lease was expired.
    """
    mine = [Attempt.job_id == job_id, Attempt.number == Job.attempt, Attempt.worker == worker]
    if task_id is not None:
        mine.append(Attempt.task_id == task_id)
    row = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == State.RUNNING)
        .where(select(Attempt.job_id).where(*mine).correlate(Job).exists())
        .values(lease_until=func.now())
        .returning(Job.id)
    ).one_or_none()
    return row is not None


def leases_held_by(session: Session, worker: str) -> list[Lease]:
    """Leases held by the children of a worker, for its parent to end."""
    jobs = session.scalars(
        select(Job)
        .join(Attempt, (Attempt.job_id == Job.id) & (Attempt.number == Job.attempt))
        .where(Job.state == State.RUNNING, Attempt.worker == worker)
    )
    return [
        Lease(job.id, job.lease_token, job.attempt, job.model, job.input)
        for job in jobs
        if job.lease_token is not None
    ]


def overdue(session: Session, job_id: str, *, task_id: str, pid: int, grace: timedelta) -> bool:
    """Whether a child still runs an attempt that should have stopped `grace` ago.

    The attempt has ended in the database, or its job was canceled: so the child hangs.
    """
    since = func.coalesce(Attempt.ended_at, Job.cancel_requested_at)
    late = session.scalar(
        select(since < func.now() - grace)
        .join(Job, Job.id == Attempt.job_id)
        .where(Attempt.job_id == job_id, Attempt.task_id == task_id, Attempt.pid == pid)
        .order_by(Attempt.number.desc())
        .limit(1)
    )
    return bool(late)


def time_out(session: Session, job_id: str, *, worker: str, limit: timedelta) -> bool:
    """Fail the job of a child that its parent killed at the hard time limit.

    Returns whether the worker still held the job.
    """
    held = [lease for lease in leases_held_by(session, worker) if lease.job_id == job_id]
    if not held:
        return False
    detail = f"The attempt ran longer than the model's limit of {limit.total_seconds():.0f} s."
    leases.fail(session, held[0], AttemptFailed(ErrorCode.TIMEOUT, detail), max_retries=0)
    return True
