"""Erase the jobs, files and batches of an account, a batch a transaction. The caller commits.

Objects are deleted after the commit; those that remain, because that failed, are orphans, which
maintenance deletes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select

from jobs import file_locks, service
from jobs.batches.tables import Batch
from jobs.errors import ErrorCode, RequestError
from jobs.ids import input_key
from jobs.states import State
from jobs.tables import Job, UploadedFile
from jobs.usage.tables import AccountQuota
from jobs.webhooks.tables import WebhookSecret

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

BATCH: Final = 100
"""Jobs or files that one transaction erases."""


@dataclass(frozen=True)
class ErasedJobs:
    """A batch of jobs."""

    ids: tuple[str, ...]
    """Those that are gone, with their history, previews, messages and shares."""
    keys: tuple[str, ...]
    """Objects to delete after the commit, beside all below `expiry.result_prefix` of each job."""
    last: str | None
    """The last job that was looked at: the next batch begins after it. None: there was none."""


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


def erase_jobs(session: Session, account: str, *, after: str = "") -> ErasedJobs:
    """Erase up to `BATCH` jobs with ids above `after`; waiting ones are canceled first.

    Running ones are asked to stop, and are left: they can be erased when they have ended.
    """
    query = select(Job.id).where(Job.account == account, Job.id > after)
    found = session.scalars(query.order_by(Job.id).limit(BATCH)).all()
    erased, keys = [], set()
    for job_id in found:
        try:
            if _is_over(session, account, job_id):
                keys.update(service.delete(session, account, job_id))
                erased.append(job_id)
        except RequestError as error:
            if error.code != ErrorCode.JOB_NOT_FOUND:  # else another request has erased it
                raise
    return ErasedJobs(tuple(erased), tuple(sorted(keys)), found[-1] if found else None)


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


def _is_over(session: Session, account: str, job_id: str) -> bool:
    """Whether the job has ended, perhaps by being canceled now."""
    try:
        state = service.cancel(session, account, job_id).state
    except RequestError as error:
        if error.code != ErrorCode.JOB_ALREADY_FINAL:
            raise
        return True
    return State(state).final
