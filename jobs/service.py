"""What the API does with jobs: submit, find, list, cancel, delete. The caller commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete as delete_from
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from jobs import account_concurrency, expiry
from jobs.errors import ErrorCode, RequestError, job_not_found
from jobs.history import record
from jobs.ids import is_id, new_job_id
from jobs.lease import terminal_timestamps
from jobs.states import Event, Priority, State
from jobs.tables import Job
from jobs.webhooks import outbox

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FIRST_REPUBLISH = timedelta(seconds=30)
"""Maintenance publishes a job again if no worker claimed it this long after its submission."""


@dataclass(frozen=True)
class Submission:
    """A validated request for a job, ready to be inserted."""

    account: str
    model: str
    queue: str
    input: dict[str, Any]
    body_hash: str
    labels: dict[str, str]
    idempotency_key: str | None = None
    priority: Priority = Priority.NORMAL
    ttl: timedelta = timedelta(days=7)
    """How long inputs and result are kept after the end."""
    webhook_url: str | None = None
    """Receives a message when the job is final."""


def submit(session: Session, submission: Submission) -> tuple[Job, bool]:
    """Insert the job, or find the one created with the same Idempotency-Key: (job, replayed).

    Raises `RequestError` as `replay` does.
    """
    job = session.scalar(
        insert(Job)
        .values(
            id=new_job_id(),
            account=submission.account,
            model=submission.model,
            queue=submission.queue,
            input=submission.input,
            labels=submission.labels,
            body_hash=submission.body_hash,
            idempotency_key=submission.idempotency_key,
            priority=submission.priority,
            ttl=submission.ttl,
            webhook_url=submission.webhook_url,
            next_dispatch_at=func.now() + FIRST_REPUBLISH,
        )
        .on_conflict_do_nothing(index_elements=["account", "idempotency_key"])
        .returning(Job)
    )
    if job is None:
        return replay(session, submission), True
    record(session, job.id, Event.SUBMITTED, model=job.model)
    return job, False


def replay(session: Session, submission: Submission) -> Job:
    """The job created with this Idempotency-Key.

    Raises `RequestError`: idempotency_mismatch if the body was different, database_unavailable if
    the request that created it was rolled back.
    """
    job = find_replayed_job(session, submission)
    if job is None:  # the first insert was rolled back while this one waited for it
        raise RequestError(
            ErrorCode.DATABASE_UNAVAILABLE,
            "The first request with this Idempotency-Key did not complete. Send it again.",
            retryable=True,
            retry_after=timedelta(seconds=1),
        )
    return job


def find_replayed_job(session: Session, submission: Submission) -> Job | None:
    """The job created with this Idempotency-Key, if any.

    Raises `RequestError` (idempotency_mismatch) if the body was different.
    """
    if submission.idempotency_key is None:
        return None
    job = session.scalar(
        select(Job).where(
            Job.account == submission.account,
            Job.idempotency_key == submission.idempotency_key,
        )
    )
    if job is not None and job.body_hash != submission.body_hash:
        raise RequestError(
            ErrorCode.IDEMPOTENCY_MISMATCH,
            "This Idempotency-Key was used with a different body. Use a new key for a new job.",
        )
    return job


def find(session: Session, account: str, job_id: str) -> Job:
    """One job of this account. Raises `RequestError` (job_not_found) for any other id."""
    job: Job | None = session.get(Job, job_id) if is_id(job_id, "job") else None
    if job is None or job.account != account:
        raise job_not_found()
    return job


@dataclass(frozen=True)
class Filter:
    """Conditions on listed jobs; all of them must hold."""

    state: State | None = None
    model: str | None = None
    labels: dict[str, str] | None = None


def page(
    session: Session, account: str, filters: Filter, *, before: str | None, limit: int
) -> list[Job]:
    """Jobs of this account, newest first, older than the id `before`; ids sort by time."""
    query = select(Job).where(Job.account == account).order_by(Job.id.desc()).limit(limit)
    if filters.state is not None:
        query = query.where(Job.state == filters.state)
    if filters.model is not None:
        query = query.where(Job.model == filters.model)
    if filters.labels:
        query = query.where(Job.labels.contains(filters.labels))
    if before is not None:
        query = query.where(Job.id < before)
    return list(session.scalars(query))


def cancel(session: Session, account: str, job_id: str) -> Job:
    """Cancel a job: at once if it is queued, at its next step if it is running.

    Raises `RequestError` (job_already_final) when the job has ended already.
    """
    find(session, account, job_id)
    canceled: Job | None = session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.state == State.QUEUED)
        .values(state=State.CANCELED, cancel_requested_at=func.now(), **terminal_timestamps())
        .returning(Job)
    )
    if canceled is not None:
        record(session, job_id, Event.CANCELED)
        outbox.enqueue(session, job_id)
        if canceled.next_dispatch_at is not None:
            # it may have been released into a free place, which a held job can take now
            account_concurrency.release_next(session, account)
        return canceled
    requested: Job | None = session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.state == State.RUNNING)
        .values(cancel_requested_at=func.coalesce(Job.cancel_requested_at, func.now()))
        .returning(Job)
    )
    if requested is None:
        return _cancel_again(session, account, job_id)
    record(session, job_id, Event.CANCEL_REQUESTED, attempt=requested.attempt)
    return requested


def delete(session: Session, account: str, job_id: str) -> list[str]:
    """Delete a final job and its history. Returns the object keys to delete after the commit.

    Objects that remain, because that failed, are orphans: maintenance deletes them.

    Raises `RequestError` (job_not_finished) while the job is queued or running.
    """
    job = find(session, account, job_id)
    if not State(job.state).final:
        raise RequestError(
            ErrorCode.JOB_NOT_FINISHED,
            f"The job is {job.state}. Cancel it first, or wait until it has ended.",
            extra={"job_status": job.state},
        )
    keys = expiry.object_keys(session, job)
    session.execute(delete_from(Job).where(Job.id == job_id))
    return keys


def _cancel_again(session: Session, account: str, job_id: str) -> Job:
    """Handle a job that neither update matched: it is final, or was requeued between the two."""
    job = find(session, account, job_id)
    session.refresh(job)
    if not State(job.state).final:
        return cancel(session, account, job_id)
    raise RequestError(
        ErrorCode.JOB_ALREADY_FINAL,
        f"The job has already {_ended(job.state)}; there is nothing to cancel.",
        extra={"job_status": job.state},
    )


def _ended(state: str) -> str:
    return "been canceled" if state == State.CANCELED else state
