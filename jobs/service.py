"""What the API does with single jobs: find, list, cancel, delete. The caller commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete as delete_from
from sqlalchemy import func, select, text, update

from jobs import account_concurrency, expiry, file_locks
from jobs.errors import ErrorCode, RequestError, job_not_found
from jobs.history import record
from jobs.ids import is_id
from jobs.lease import terminal_timestamps
from jobs.states import Event, State
from jobs.tables import LABELLED, Job
from jobs.usage import counters
from jobs.webhooks import outbox

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def find(session: Session, account: str | None, job_id: str, *, fresh: bool = False) -> Job:
    """One job of this account, or of any account if None, for operators.

    With `fresh`, as it is now, not as this session has read it before.
    Raises `RequestError` (job_not_found) for any other id.
    """
    if not is_id(job_id, "job"):
        raise job_not_found()
    job: Job | None = session.get(Job, job_id, populate_existing=fresh)
    if job is None or account not in (None, job.account):
        raise job_not_found()
    return job


@dataclass(frozen=True)
class Filter:
    """Conditions on listed jobs; all of them must hold."""

    state: State | None = None
    model: str | None = None
    labels: dict[str, str] | None = None


def page(
    session: Session,
    account: str | None,
    filters: Filter,
    *,
    before: str | None = None,
    after: str | None = None,
    limit: int,
) -> list[Job]:
    """Jobs of this account (None: of all), newest first, older than the id `before`.

    Ids sort by time.

    With `after`, which may be empty, oldest first and newer than that id.
    """
    order = Job.id.desc() if after is None else Job.id.asc()
    query = select(Job).order_by(order).limit(limit)
    if account is not None:
        query = query.where(Job.account == account)
    if after is not None:
        query = query.where(Job.id > after)
    if filters.state is not None:
        query = query.where(Job.state == filters.state)
    if filters.model is not None:
        query = query.where(Job.model == filters.model)
    if filters.labels:
        query = query.where(text(LABELLED), Job.labels.contains(filters.labels))
    if before is not None:
        query = query.where(Job.id < before)
    return list(session.scalars(query))


def cancel(session: Session, account: str | None, job_id: str) -> Job:
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
        counters.count_ends(session, [job_id])
        if canceled.due_at is not None:
            # it may have been released into a free place, which a held job can take now
            account_concurrency.release_next(session, canceled.account)
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


def delete(session: Session, account: str | None, job_id: str) -> list[str]:
    """Delete a final job and its history. Returns the object keys to delete after the commit.

    Its inputs are among them unless another job, which is kept, names them.

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
    results, files = expiry.result_keys(job), expiry.named_files(job.input)
    file_locks.lock_for_deletion(session, files, [job.account])
    session.execute(delete_from(Job).where(Job.id == job_id))
    return [*results, *expiry.unneeded_inputs(session, files)]


def _cancel_again(session: Session, account: str | None, job_id: str) -> Job:
    """Handle a job that neither update matched: it is final, or was requeued between the two."""
    job = find(session, account, job_id, fresh=True)
    if not State(job.state).final:
        return cancel(session, account, job_id)
    raise RequestError(
        ErrorCode.JOB_ALREADY_FINAL,
        f"The job has already {_ended(job.state)}; there is nothing to cancel.",
        extra={"job_status": job.state},
    )


def _ended(state: str) -> str:
    return "been canceled" if state == State.CANCELED else state
