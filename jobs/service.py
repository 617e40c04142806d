"""All that an edge may ask for: submit, find, list, cancel, delete. The caller commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete as delete_from
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from jobs import expiry
from jobs.errors import ErrorCode, RequestError, job_not_found
from jobs.history import record
from jobs.ids import is_id, new_job_id
from jobs.lease import terminal_timestamps
from jobs import account_concurrency
from jobs.states import Event, Priority, State
from jobs.tables import Job
from jobs.webhooks import outbox

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FIRST_REPUBLISH = timedelta(seconds=30)
"""The reconciler rings again for a job that was not claimed this long after its submission."""


@dataclass(frozen=True)
class Submission:
    """A valid wish of a caller, ready to become a row."""

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
    """Who is told of the end."""


def submit(session: Session, submission: Submission) -> tuple[Job, bool]:
    """Write the job, or find the one that the same Idempotency-Key made: (job, replayed)."""
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
    """The job that this Idempotency-Key made. Raises `RequestError` if the body was another."""
    job = find_replay(session, submission)
    if job is None:  # the first insert was rolled back while this one waited for it
        raise RequestError(
            ErrorCode.DATABASE_UNAVAILABLE,
            "The first request with this Idempotency-Key did not complete: send it again.",
            retryable=True,
            retry_after=timedelta(seconds=1),
        )
    return job


def find_replay(session: Session, submission: Submission) -> Job | None:
    """The job of this Idempotency-Key, if there is one. Raises `RequestError` on another body."""
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
            "This Idempotency-Key was used with another body: use a new key for a new job.",
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
    """Which jobs a list shows."""

    state: State | None = None
    model: str | None = None
    labels: dict[str, str] | None = None


def page(
    session: Session, account: str, chosen: Filter, *, before: str | None, limit: int
) -> list[Job]:
    """Jobs of this account, newest first, older than the id `before`; ids sort by time."""
    query = select(Job).where(Job.account == account).order_by(Job.id.desc()).limit(limit)
    if chosen.state is not None:
        query = query.where(Job.state == chosen.state)
    if chosen.model is not None:
        query = query.where(Job.model == chosen.model)
    if chosen.labels:
        query = query.where(Job.labels.contains(chosen.labels))
    if before is not None:
        query = query.where(Job.id < before)
    return list(session.scalars(query))


def cancel(session: Session, account: str, job_id: str) -> Job:
    """Withdraw a job: at once while queued, at its next step while running.

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
            account_concurrency.release_next(
                session, account
            )  # it will not take the place it was called to
        return canceled
    asked: Job | None = session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.state == State.RUNNING)
        .values(cancel_requested_at=func.coalesce(Job.cancel_requested_at, func.now()))
        .returning(Job)
    )
    if asked is None:
        return _cancel_again(session, account, job_id)
    record(session, job_id, Event.CANCEL_REQUESTED, attempt=asked.attempt)
    return asked


def delete(session: Session, account: str, job_id: str) -> list[str]:
    """Forget a final job with its history. Returns the keys to delete from the store, once this
    is committed; what then remains there is an orphan, and swept.

    Raises `RequestError` (job_not_finished) while the job is queued or running.
    """
    job = find(session, account, job_id)
    if not State(job.state).final:
        raise RequestError(
            ErrorCode.JOB_NOT_FINISHED,
            f"The job is {job.state}: cancel it first, or wait for its end.",
            extra={"job_status": job.state},
        )
    keys = expiry.keys_of(session, job)
    session.execute(delete_from(Job).where(Job.id == job_id))
    return keys


def _cancel_again(session: Session, account: str, job_id: str) -> Job:
    """Neither queued nor running a moment ago: final, or requeued between the two updates."""
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
