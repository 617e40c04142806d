"""What a worker's parent may ask for: its child is dead, does not listen, or takes too long."""

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
    """The worker's child is dead: let the reaper have the job now, not after the lease.

    With a `task_id`, only the attempt that answered that call: a loss is noticed late, and the
    next child may be at work on the same job by then.
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
    """The leases that a worker's children hold, for its parent to close."""
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
    """Whether the attempt by which a child answers this call should be over since `grace`.

    It is closed by now, or its owner wants it to stop: so its process does not listen.
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
    """The worker's parent killed the child at the hard time limit: fail the job."""
    held = [lease for lease in leases_held_by(session, worker) if lease.job_id == job_id]
    if not held:
        return False
    detail = f"The attempt ran longer than the model's limit of {limit.total_seconds():.0f} s."
    leases.fail(session, held[0], AttemptFailed(ErrorCode.TIMEOUT, detail), max_retries=0)
    return True
