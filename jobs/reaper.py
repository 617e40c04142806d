"""Recover jobs whose worker died: their lease expired without a heartbeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from jobs import account_concurrency, supervision
from jobs.errors import AttemptFailed, ErrorCode
from jobs.history import record
from jobs.lease import describe, terminal_timestamps
from jobs.metrics.samples import LossReason
from jobs.states import Event, Outcome, State
from jobs.tables import Attempt, Job
from jobs.usage import counters
from jobs.webhooks import outbox

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def reap(session: Session, *, max_worker_losses: int, limit: int = 100) -> list[str]:
    """Recover up to `limit` jobs with an expired lease, and return their ids.

    A recovered job is queued again, canceled if its owner asked for it, or failed as `worker_lost`
    at its `max_worker_losses`-th lost worker. Any number of reapers may run concurrently.
    """
    lost = session.scalars(
        select(Job)
        .where(Job.state == State.RUNNING, Job.lease_until < func.clock_timestamp())
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    reasons = {job.id: _reason(job) for job in lost}
    for job in lost:
        _recover(session, job, max_worker_losses)
    session.flush()
    counters.count_losses(session, reasons)
    for account in sorted(job.account for job in lost):
        account_concurrency.release_next(session, account)
    return [job.id for job in lost]


def _reason(job: Job) -> LossReason:
    by_parent = job.lease_until == supervision.GIVEN_UP
    return LossReason.CHILD_DIED if by_parent else LossReason.LEASE_EXPIRED


def _recover(session: Session, job: Job, max_worker_losses: int) -> None:
    error, losses = None, job.worker_losses + 1
    if job.cancel_requested_at is not None:
        losses = job.worker_losses  # the attempt counts as canceled
        state, event, outcome = State.CANCELED, Event.CANCELED, Outcome.CANCELED
    elif losses >= max_worker_losses:
        state, event, outcome = State.FAILED, Event.FAILED, Outcome.LOST
        error = _worker_lost(losses)
    else:
        state, event, outcome = State.QUEUED, Event.REQUEUED, Outcome.LOST
        job.due_at = func.now()
    job.worker_losses = losses
    _leave_running(job, state, error)
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job.id, Attempt.number == job.attempt)
        .values(ended_at=func.now(), outcome=outcome, error=error)
    )
    record(session, job.id, event, attempt=job.attempt, losses=job.worker_losses)
    if state.final:
        session.flush()
        outbox.enqueue(session, job.id)


def _leave_running(job: Job, state: State, error: dict[str, Any] | None) -> None:
    job.state = state
    job.lease_token = None
    job.lease_until = None
    job.phase = None
    job.error = error
    if state.final:
        for column, value in terminal_timestamps().items():
            setattr(job, column, value)


def _worker_lost(times: int) -> dict[str, Any]:
    detail = f"Workers died {times} times while running this job. It is not retried."
    return describe(AttemptFailed(ErrorCode.WORKER_LOST, detail))
