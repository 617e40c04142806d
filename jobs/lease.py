"""All that a worker may ask for. Each write is guarded by the lease token: 0 rows = stale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, update

from jobs.errors import AttemptFailed, Code, LeaseLost
from jobs.history import record
from jobs.states import Event, Outcome, Phase, State
from jobs.tables import Attempt, Job

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

RETRY_DELAY = timedelta(seconds=5)
"""How long a job waits after a passing error, times the number of its retries."""


@dataclass(frozen=True)
class Lease:
    """The right to run one attempt of a job, until somebody else takes it."""

    job_id: str
    token: UUID
    attempt: int
    model: str
    input: dict[str, Any]

    @property
    def result_key(self) -> str:
        """Where this attempt's video goes: no two attempts ever write the same object."""
        return f"results/{self.job_id}/{self.attempt}-{self.token.hex[:8]}.mp4"


@dataclass(frozen=True)
class Orders:
    """What the record tells a running attempt at each beat."""

    cancel_requested: bool


def claim(session: Session, job_id: str, *, worker: str, pid: int, ttl: timedelta) -> Lease | None:
    """Take a queued job. None: it is finished, canceled or another's, so go quietly."""
    token = uuid4()
    job = session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.state == State.QUEUED)
        .values(
            state=State.RUNNING,
            attempt=Job.attempt + 1,
            lease_token=token,
            lease_until=func.now() + ttl,
            started_at=func.coalesce(Job.started_at, func.now()),
            phase=Phase.STARTING,
            progress={},
        )
        .returning(Job)
    )
    if job is None:
        return None
    session.add(Attempt(job_id=job.id, number=job.attempt, token=token, worker=worker, pid=pid))
    record(session, job.id, Event.CLAIMED, attempt=job.attempt, worker=worker)
    return Lease(job.id, token, job.attempt, job.model, job.input)


def renew(
    session: Session,
    lease: Lease,
    *,
    ttl: timedelta,
    phase: Phase,
    progress: Mapping[str, Any],
) -> Orders:
    """One beat: prolong the lease, store progress, read orders. Raises `LeaseLost`."""
    row = session.execute(
        update(Job)
        .where(*_held(lease))
        .values(lease_until=func.now() + ttl, phase=phase, progress=dict(progress))
        .returning(Job.cancel_requested_at)
    ).one_or_none()
    if row is None:
        raise LeaseLost
    return Orders(cancel_requested=row.cancel_requested_at is not None)


def succeed(
    session: Session, lease: Lease, *, result: dict[str, Any], timings: dict[str, float]
) -> None:
    """Publish the result. Raises `LeaseLost`; a cancel that came too late is overruled."""
    _close(
        session,
        lease,
        Outcome.SUCCEEDED,
        state=State.SUCCEEDED,
        result=result,
        timings=timings,
        progress={"percent": 100.0},
    )
    record(session, lease.job_id, Event.PUBLISHED, attempt=lease.attempt, key=result["key"])


def published(session: Session, lease: Lease) -> bool:
    """Whether this attempt's video is the result: the reply to `succeed` may have been lost."""
    result = session.scalar(select(Job.result).where(Job.id == lease.job_id))
    return result is not None and result["key"] == lease.result_key


def cancel(session: Session, lease: Lease) -> None:
    """End a running job as its owner asked. Raises `LeaseLost`."""
    _close(session, lease, Outcome.CANCELED, state=State.CANCELED)
    record(session, lease.job_id, Event.CANCELED, attempt=lease.attempt)


def fail(session: Session, lease: Lease, error: AttemptFailed, *, max_retries: int) -> Outcome:
    """End the attempt: try again later if the error may pass, else fail the job.

    A job that its owner withdrew meanwhile is not tried again. Raises `LeaseLost`.
    """
    job = _lock(session, lease)
    if error.retryable and job.cancel_requested_at is not None:
        cancel(session, lease)
        return Outcome.CANCELED
    if error.retryable and job.retries < max_retries:
        delay = RETRY_DELAY * (job.retries + 1)
        _close(session, lease, Outcome.RETRIED, error=describe(error), retries=job.retries + 1)
        _requeue(session, lease, delay)
        return Outcome.RETRIED
    _close(session, lease, Outcome.FAILED, state=State.FAILED, error=describe(error))
    record(session, lease.job_id, Event.FAILED, attempt=lease.attempt, code=error.code)
    return Outcome.FAILED


def give_back(session: Session, lease: Lease) -> Outcome:
    """Queue the job again because this worker was told to stop: no fault of the job.

    A job that its owner withdrew meanwhile is not queued again. Raises `LeaseLost`.
    """
    if _lock(session, lease).cancel_requested_at is not None:
        cancel(session, lease)
        return Outcome.CANCELED
    _close(session, lease, Outcome.PREEMPTED)
    _requeue(session, lease, timedelta(0))
    return Outcome.PREEMPTED


def surrender(session: Session, job_id: str, *, worker: str) -> bool:
    """The worker's child is dead: let the reaper have the job now, not after the lease."""
    mine = (
        select(Attempt.job_id)
        .where(Attempt.job_id == job_id, Attempt.number == Job.attempt, Attempt.worker == worker)
        .correlate(Job)
        .exists()
    )
    row = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == State.RUNNING, mine)
        .values(lease_until=func.now())
        .returning(Job.id)
    ).one_or_none()
    return row is not None


def time_out(session: Session, job_id: str, *, worker: str, limit: timedelta) -> bool:
    """The worker's parent killed the child at the hard time limit: fail the job."""
    lease = _running_on(session, job_id, worker)
    if lease is None:
        return False
    detail = f"The attempt ran longer than the model's limit of {limit.total_seconds():.0f} s."
    fail(session, lease, AttemptFailed(Code.TIMEOUT, detail), max_retries=0)
    return True


def describe(error: AttemptFailed) -> dict[str, Any]:
    """An error as the caller sees it."""
    return {
        "code": error.code,
        "detail": error.detail,
        "retryable": error.retryable,
        "field": error.field,
    }


def _running_on(session: Session, job_id: str, worker: str) -> Lease | None:
    job = session.scalar(
        select(Job)
        .join(Attempt, (Attempt.job_id == Job.id) & (Attempt.number == Job.attempt))
        .where(Job.id == job_id, Job.state == State.RUNNING, Attempt.worker == worker)
    )
    if job is None or job.lease_token is None:
        return None
    return Lease(job.id, job.lease_token, job.attempt, job.model, job.input)


def _held(lease: Lease) -> tuple[Any, ...]:
    return (Job.id == lease.job_id, Job.lease_token == lease.token, Job.state == State.RUNNING)


def _lock(session: Session, lease: Lease) -> Row[int, datetime | None]:
    row = session.execute(
        select(Job.retries, Job.cancel_requested_at).where(*_held(lease)).with_for_update()
    ).one_or_none()
    if row is None:
        raise LeaseLost
    return row


def _close(
    session: Session,
    lease: Lease,
    outcome: Outcome,
    *,
    state: State = State.QUEUED,
    error: dict[str, Any] | None = None,
    **values: object,
) -> None:
    """Leave the running state, if the lease still holds, and write down how."""
    done = session.execute(
        update(Job)
        .where(*_held(lease))
        .values(
            state=state,
            lease_token=None,
            lease_until=None,
            phase=None,
            ended_at=func.now() if state.final else None,
            error=error if state.final else None,
            **values,
        )
        .returning(Job.id)
    )
    if done.scalar() is None:
        raise LeaseLost
    result = values.get("result")
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == lease.job_id, Attempt.number == lease.attempt)
        .values(
            ended_at=func.now(),
            outcome=outcome,
            error=error,
            key=result["key"] if isinstance(result, dict) else None,
        )
    )


def _requeue(session: Session, lease: Lease, delay: timedelta) -> None:
    session.execute(
        update(Job)
        .where(Job.id == lease.job_id, Job.state == State.QUEUED)
        .values(next_dispatch_at=func.now() + delay)
    )
    record(session, lease.job_id, Event.REQUEUED, attempt=lease.attempt)
