"""Erase the jobs, files and batches of an account, a batch a transaction. The caller commits.

Objects are deleted after the commit; those that remain, because that failed, are orphans, which
maintenance deletes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select

from jobs import expiry, file_locks, service
from jobs.batches.tables import Batch
from jobs.errors import RequestError
from jobs.ids import input_key
from jobs.states import State
from jobs.tables import Job, UploadedFile
from jobs.usage.tables import AccountQuota
from jobs.webhooks.tables import WebhookSecret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

BATCH: Final = 100
"""Jobs or files that one transaction erases."""


@dataclass(frozen=True)
class FoundJobs:
    """Some jobs of the account."""

    ids: list[str]
    unfinished: list[str]
    """Those of them that are queued or running."""


@dataclass(frozen=True)
class ErasedJobs:
    """A batch of jobs."""

    ids: list[str]
    """Those that are gone, with their history, previews, messages and shares."""
    keys: list[str]
    """Objects to delete after the commit, beside all below `expiry.result_prefix` of each job."""


@dataclass(frozen=True)
class ErasedFiles:
    """A batch of uploaded files."""

    keys: tuple[str, ...]
    unfinished: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Uploads to drop after the commit, by the id of the file."""


def erase_batches_and_quotas(session: Session, account: str) -> int:
    """Erase these first: no more jobs of a batch are submitted. Returns the number of batches."""
    batches = session.scalars(
        delete(Batch).where(Batch.account == account).returning(Batch.id)
    ).all()
    session.execute(delete(AccountQuota).where(AccountQuota.account == account))
    session.execute(delete(WebhookSecret).where(WebhookSecret.account == account))
    return len(batches)


def find_jobs(session: Session, account: str, *, after: str = "") -> FoundJobs:
    """Up to `BATCH` jobs with ids above `after`; none: there are no more."""
    query = select(Job.id, Job.state).where(Job.account == account, Job.id > after)
    rows = session.execute(query.order_by(Job.id).limit(BATCH)).all()
    unfinished = [row.id for row in rows if not State(row.state).final]
    return FoundJobs([row.id for row in rows], unfinished)


def cancel(session: Session, account: str, job_id: str) -> None:
    """Cancel a job, unless it has ended; one that runs is asked to stop.

    In a transaction of its own: one of several jobs would keep the locks of the first while it
    waits for those of the others.
    """
    with suppress(RequestError):  # it has ended, or another request has erased it
        service.cancel(session, account, job_id)


def erase_jobs(session: Session, account: str, job_ids: Sequence[str]) -> ErasedJobs:
    """Erase those of these jobs that have ended. The others can be erased when they have."""
    these = Job.id.in_(job_ids), Job.account == account
    inputs = session.scalars(select(Job.input).where(*these)).all()
    files = {file for each in inputs for file in expiry.named_files(each)}
    file_locks.lock_for_deletion(session, files, [account])
    ended = select(Job).where(*these, Job.ended_at.is_not(None)).order_by(Job.id)
    jobs = session.scalars(ended.with_for_update()).all()
    ids, keys = [job.id for job in jobs], {key for job in jobs for key in expiry.result_keys(job)}
    session.execute(delete(Job).where(Job.id.in_(ids)))
    return ErasedJobs(ids, sorted(keys | set(expiry.unneeded_inputs(session, files))))


def count_jobs(session: Session, account: str) -> int:
    """How many jobs the account has."""
    query = select(func.count()).where(Job.account == account)
    return session.scalars(query).one()


def erase_files(session: Session, account: str) -> ErasedFiles:
    """Erase up to `BATCH` uploaded files. Call it when no job of the account is left."""
    query = select(UploadedFile.id).where(UploadedFile.account == account)
    ids = list(session.scalars(query.order_by(UploadedFile.id).limit(BATCH)))
    file_locks.lock_for_deletion(session, ids, [account])
    rows = session.execute(
        delete(UploadedFile)
        .where(UploadedFile.id.in_(ids))
        .returning(UploadedFile.id, UploadedFile.upload)
    ).all()
    unfinished = {row.id: row.upload for row in rows if row.upload is not None}
    return ErasedFiles(tuple(input_key(row.id) for row in rows), unfinished)
