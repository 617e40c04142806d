"""What a worker's parent does with the jobs of a child that died, hangs or takes too long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from jobs import lease as leases
from jobs.errors import AttemptFailed, ErrorCode
from jobs.lease import Lease
from jobs.states import State
from jobs.tables import Attempt, Job

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session


GIVEN_UP = datetime(1970, 1, 1, tzinfo=UTC)
"""The end of a lease whose holder is known to be dead; one that was not renewed ended later."""


def expire_lease(session: Session, task_id: str, *, worker: str) -> str | None:
    """Expire the lease of the job that a dead child ran, so that the reaper recovers it now.

    `task_id` is that of the message for which the child claimed it: a dead child is noticed late,
    and the next child may run the same job by then. Returns the id of the job. None: it ran none.
    """
    expired: str | None = session.scalar(
        update(Job)
        .where(Job.state == State.RUNNING, Attempt.job_id == Job.id, Attempt.number == Job.attempt)
        .where(Attempt.task_id == task_id, Attempt.worker == worker)
        .values(lease_until=GIVEN_UP)
        .returning(Job.id)
    )
    return expired


def leases_held_by(session: Session, worker: str, *, task_id: str) -> list[Lease]:
    """The lease that a task of this worker holds, for its parent to end; or none."""
    found = (
        select(Job)
        .join(Attempt, (Attempt.job_id == Job.id) & (Attempt.number == Job.attempt))
        .where(Job.state == State.RUNNING, Attempt.worker == worker, Attempt.task_id == task_id)
    )
    return [
        Lease(job.id, job.lease_token, job.attempt, job.model, job.input)
        for job in session.scalars(found)
        if job.lease_token is not None
    ]


@dataclass(frozen=True)
class LastAttempt:
    """The last attempt that a child has claimed for a task."""

    job_id: str
    overdue: bool
    """Whether it should have stopped: it has ended in the database, or its job was canceled."""


def last_attempt(
    session: Session, *, task_id: str, pid: int, grace: timedelta
) -> LastAttempt | None:
    """The last attempt of a child's task, overdue if it should have stopped `grace` ago.

    None: there is none, or its job was deleted.
    """
    last = (
        select(Attempt.job_id, Attempt.ended_at)
        .where(Attempt.task_id == task_id, Attempt.pid == pid)
        .order_by(Attempt.started_at.desc())
        .limit(1)
        .subquery()
    )
    since = func.coalesce(last.c.ended_at, Job.cancel_requested_at)
    overdue = func.coalesce(since < func.now() - grace, False)
    row = session.execute(select(Job.id, overdue).join(last, last.c.job_id == Job.id)).one_or_none()
    return None if row is None else LastAttempt(*row)


def time_out(session: Session, task_id: str, *, worker: str, limit: timedelta) -> str | None:
    """Fail the job of a child that its parent killed at the hard time limit.

    Returns its id. None: the worker does not hold it any more.
    """
    held = leases_held_by(session, worker, task_id=task_id)
    if not held:
        return None
    detail = f"The attempt ran longer than the model's limit of {limit.total_seconds():.0f} s."
    leases.fail(session, held[0], AttemptFailed(ErrorCode.TIMEOUT, detail), max_retries=0)
    return held[0].job_id


def unfinished(connection: Connection, job_ids: Collection[str]) -> set[str]:
    """Those of these jobs that are queued or running."""
    states = (State.QUEUED, State.RUNNING)
    return set(connection.scalars(select(Job.id).where(Job.id.in_(job_ids), Job.state.in_(states))))
