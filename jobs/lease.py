"""What a worker does with the job it runs. The lease token guards each write: 0 rows = lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, update

from jobs import account_concurrency, previews
from jobs.errors import AttemptFailed, ErrorCode, LeaseLost
from jobs.history import record
from jobs.states import Event, Outcome, Phase, State
from jobs.tables import Attempt, Job, Worker
from jobs.webhooks import outbox

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

RETRY_DELAY = timedelta(seconds=5)
"""Wait before the first retry of a job; multiplied by the number of the retry."""


@dataclass(frozen=True)
class Lease:
    """The right to run one attempt of a job, until it ends or expires."""

    job_id: str
    token: UUID
    attempt: int
    model: str
    input: dict[str, Any]

    @property
    def result_key(self) -> str:
        """Object key of this attempt's video. No two attempts write the same object."""
        return f"{self._key_prefix}.mp4"

    def file_key(self, name: str) -> str:
        """Object key of another file of this attempt, by the name shown to the caller."""
        return f"{self._key_prefix}/{name}"

    @property
    def _key_prefix(self) -> str:
        return f"results/{self.job_id}/{self.attempt}-{self.token.hex[:8]}"


@dataclass(frozen=True)
class ControlSignals:
    """What each heartbeat reads: whether the attempt must stop."""

    cancel_requested: bool
    drain_left: timedelta | None = None
    """Time left until the drain of its worker ends; negative after that. None: no drain."""


def claim(  # noqa: PLR0913 - each value is named at the call
    session: Session,
    job_id: str,
    *,
    worker: str,
    pid: int,
    ttl: timedelta,
    task_id: str | None = None,
    max_running: int | None = None,
) -> Lease | None:
    """Claim a queued job: start an attempt and return its lease.

    None: the job is not claimable, because it is final, running or held. With `max_running`, a job
    whose account already runs that many is held until one of them ends.
    """
    if max_running is not None and account_concurrency.hold_if_at_limit(
        session, job_id, max_running=max_running
    ):
        return None
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
            next_dispatch_at=func.coalesce(Job.next_dispatch_at, func.now()),
            phase=Phase.STARTING,
            progress={},
            notes={},
        )
        .returning(Job)
    )
    if job is None:
        return None
    previews.delete(session, [job.id])
    session.add(
        Attempt(
            job_id=job.id,
            number=job.attempt,
            token=token,
            worker=worker,
            pid=pid,
            task_id=task_id,
        )
    )
    record(session, job.id, Event.CLAIMED, attempt=job.attempt, worker=worker)
    return Lease(job.id, token, job.attempt, job.model, job.input)


def renew(
    session: Session,
    lease: Lease,
    *,
    ttl: timedelta,
    phase: Phase,
    progress: Mapping[str, Any],
    notes: Mapping[str, Any] | None = None,
) -> ControlSignals:
    """Heartbeat: extend the lease by `ttl`, store progress and notes, read control signals.

    Raises `LeaseLost`.
    """
    drain_left = (
        select(Worker.draining_until - func.clock_timestamp())
        .join(Attempt, Attempt.worker == Worker.name)
        .where(Attempt.job_id == lease.job_id, Attempt.number == lease.attempt)
        .scalar_subquery()
    )
    row = session.execute(
        update(Job)
        .where(*_owned_by(lease))
        .values(
            lease_until=func.now() + ttl,
            phase=phase,
            progress=dict(progress),
            notes=Job.notes if notes is None else dict(notes),
        )
        .returning(Job.cancel_requested_at, drain_left.label("drain_left"))
    ).one_or_none()
    if row is None:
        raise LeaseLost
    return ControlSignals(row.cancel_requested_at is not None, row.drain_left)


def store_notes(session: Session, lease: Lease, notes: Mapping[str, Any]) -> None:
    """Store the notes of the attempt. Does nothing if the lease is lost."""
    session.execute(update(Job).where(*_owned_by(lease)).values(notes=dict(notes)))


def save_preview(session: Session, lease: Lease, jpeg: bytes) -> None:
    """Replace the preview of the job. Raises `LeaseLost`.

    Locks the job's row, so that no preview is saved after the job has ended.
    """
    job_id = session.scalar(select(Job.id).where(*_owned_by(lease)).with_for_update(read=True))
    if job_id is None:
        raise LeaseLost
    previews.save(session, job_id, attempt=lease.attempt, jpeg=jpeg)


def succeed(
    session: Session, lease: Lease, *, result: dict[str, Any], timings: dict[str, float]
) -> None:
    """Publish the result, also if a cancel was requested meanwhile. Raises `LeaseLost`."""
    _end_attempt(
        session,
        lease,
        Outcome.SUCCEEDED,
        state=State.SUCCEEDED,
        result=result,
        timings=timings,
        progress={"percent": 100.0},
    )
    previews.delete(session, [lease.job_id])
    record(session, lease.job_id, Event.PUBLISHED, attempt=lease.attempt, key=result["key"])


def published(session: Session, lease: Lease) -> bool:
    """Whether this attempt's video is the result; for when the reply to `succeed` was lost."""
    result = session.scalar(select(Job.result).where(Job.id == lease.job_id))
    return result is not None and result["key"] == lease.result_key


def cancel(session: Session, lease: Lease) -> None:
    """End a running job because its owner canceled it. Raises `LeaseLost`."""
    _end_attempt(session, lease, Outcome.CANCELED, state=State.CANCELED)
    record(session, lease.job_id, Event.CANCELED, attempt=lease.attempt)


def fail(session: Session, lease: Lease, error: AttemptFailed, *, max_retries: int) -> Outcome:
    """End the attempt: queue a retry if the error is retryable and retries are left, else fail.

    A job that was canceled meanwhile is not retried. Raises `LeaseLost`.
    """
    job = _lock(session, lease)
    if error.retryable and job.cancel_requested_at is not None:
        cancel(session, lease)
        return Outcome.CANCELED
    if error.retryable and job.retries < max_retries:
        delay = RETRY_DELAY * (job.retries + 1)
        _end_attempt(
            session, lease, Outcome.RETRIED, error=describe(error), retries=job.retries + 1
        )
        _requeue(session, lease, delay)
        return Outcome.RETRIED
    _end_attempt(session, lease, Outcome.FAILED, state=State.FAILED, error=describe(error))
    record(session, lease.job_id, Event.FAILED, attempt=lease.attempt, code=error.code)
    return Outcome.FAILED


def preempt(session: Session, lease: Lease, *, max_preemptions: int = 20) -> Outcome:
    """End the attempt and queue the job again, because its worker is shutting down.

    A job that was canceled meanwhile is canceled, and one that was preempted `max_preemptions`
    times fails, since it may never end. Raises `LeaseLost`.
    """
    job = _lock(session, lease)
    if job.cancel_requested_at is not None:
        cancel(session, lease)
        return Outcome.CANCELED
    if job.preemptions >= max_preemptions:
        return fail(session, lease, _preempted_too_often(job.preemptions), max_retries=0)
    _end_attempt(session, lease, Outcome.PREEMPTED, preemptions=job.preemptions + 1)
    _requeue(session, lease, timedelta(0))
    return Outcome.PREEMPTED


def terminal_timestamps() -> dict[str, Any]:
    """Columns to set in every move to a final state: when the job ended, and when it expires."""
    return {"ended_at": func.now(), "expires_at": func.now() + Job.ttl}


def describe(error: AttemptFailed) -> dict[str, Any]:
    """An error as `Job.error` holds it and the API shows it."""
    return {
        "code": error.code,
        "detail": error.detail,
        "retryable": error.retryable,
        "field": error.field,
    }


def _owned_by(lease: Lease) -> tuple[Any, ...]:
    return (Job.id == lease.job_id, Job.lease_token == lease.token, Job.state == State.RUNNING)


def _lock(session: Session, lease: Lease) -> Row[int, int, datetime | None]:
    row = session.execute(
        select(Job.retries, Job.preemptions, Job.cancel_requested_at)
        .where(*_owned_by(lease))
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise LeaseLost
    return row


def _end_attempt(
    session: Session,
    lease: Lease,
    outcome: Outcome,
    *,
    state: State = State.QUEUED,
    error: dict[str, Any] | None = None,
    **values: object,
) -> None:
    """Move the job out of `running` and record the outcome. Raises `LeaseLost`."""
    done = session.execute(
        update(Job)
        .where(*_owned_by(lease))
        .values(
            state=state,
            lease_token=None,
            lease_until=None,
            phase=None,
            error=error if state.final else None,
            **(terminal_timestamps() if state.final else {}),
            **values,
        )
        .returning(Job.account)
    )
    account = done.scalar()
    if account is None:
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
    if state.final:
        outbox.enqueue(session, lease.job_id)
    account_concurrency.release_next(session, account)


def _requeue(session: Session, lease: Lease, delay: timedelta) -> None:
    session.execute(
        update(Job)
        .where(Job.id == lease.job_id, Job.state == State.QUEUED)
        .values(next_dispatch_at=func.now() + delay)
    )
    record(session, lease.job_id, Event.REQUEUED, attempt=lease.attempt)


def _preempted_too_often(times: int) -> AttemptFailed:
    detail = (
        f"The job was preempted {times} times by workers that shut down. It is not retried; "
        "submit it again."
    )
    return AttemptFailed(ErrorCode.WORKER_LOST, detail)
