"""Objects of jobs in object storage: which have expired, and which belong to no job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, literal_column, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB, array

from jobs import file_locks, previews
from jobs.history import record
from jobs.ids import input_key, is_id
from jobs.states import Event, State
from jobs.tables import Job, UploadedFile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

RESULTS = "results/"
INPUTS = "inputs/"

_FILES = literal_column(
    """jsonb_path_query_array(jobs.input, '$.* ? (@ starts with "file_")')""", JSONB
)
"""Ids of the uploaded files in a job's input: the same expression as in `ix_jobs_files`."""
_KEPT = or_(Job.expires_at.is_(None), Job.expires_at > func.clock_timestamp())
"""Of jobs that have not expired: those that a submission may take a file from, as
`find_gone` of the database says."""
_GONE = text("SELECT find_gone(CAST(:files AS text[]), :new_batch)")
_OF_WAITING_ROWS = text("""
SELECT file FROM unnest(CAST(:files AS text[])) AS file
WHERE 0 < (
    SELECT count(*) FROM batch_rows
    WHERE submission -> 'files' ? file
        AND job_id IS NULL AND error IS NULL AND canceled_at IS NULL
)
""")
"""Files of rows of batches that are no jobs yet, by `ix_batch_rows_files`."""


@dataclass(frozen=True)
class ExpiredJob:
    """A job past its retention time, and its objects."""

    job_id: str
    expires_at: datetime
    input_keys: tuple[str, ...]
    """Its uploaded inputs, except those that another job, which is kept, or a waiting row of a
    batch names, and those that were uploaded to be kept for themselves."""

    @property
    def result_prefix(self) -> str:
        """Prefix of the object keys of all its attempts."""
        return result_prefix(self.job_id)


def result_prefix(job_id: str) -> str:
    """Prefix of the object keys of all attempts of a job: results and other files."""
    return f"{RESULTS}{job_id}/"


def expired_jobs(
    session: Session, *, limit: int, after: ExpiredJob | None = None
) -> list[ExpiredJob]:
    """Up to `limit` jobs past their retention time, oldest first, starting behind `after`."""
    query = (
        select(Job)
        .where(Job.expires_at <= func.now(), Job.expired_at.is_(None))
        .order_by(Job.expires_at, Job.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(Job.expires_at, Job.id) > (after.expires_at, after.job_id))
    jobs = session.scalars(query).all()
    files = {file for job in jobs for file in named_files(job.input)}
    file_locks.lock_for_deletion(session, files, {job.account for job in jobs})
    needed = kept(session, files) | _uploaded(session, files)
    return [
        ExpiredJob(job.id, job.expires_at, _keys(named_files(job.input) - needed))
        for job in jobs
        if job.expires_at is not None
    ]


def mark_expired(session: Session, job_ids: Iterable[str]) -> list[str]:
    """Record that the objects of these jobs were deleted, and delete their previews.

    Returns the ids of the jobs that were not marked before.
    """
    marked = session.scalars(
        update(Job)
        .where(Job.id.in_(list(job_ids)), Job.expires_at.is_not(None), Job.expired_at.is_(None))
        .values(expired_at=func.now())
        .returning(Job.id)
    ).all()
    previews.delete(session, marked)
    for job_id in marked:
        record(session, job_id, Event.EXPIRED)
    return list(marked)


def gone(session: Session, files: Collection[str], *, new_batch: str = "") -> set[str]:
    """Those of these files of a batch that are not stored. Lock them before.

    Rows of `new_batch`, which is being stored, keep none.
    """
    if not files:
        return set()
    return set(session.scalars(_GONE, {"files": list(files), "new_batch": new_batch}))


def unneeded_inputs(session: Session, files: Collection[str]) -> tuple[str, ...]:
    """Object keys of those of these files that neither a kept job nor a waiting row names, and
    that were not uploaded to be kept for themselves. Lock them before."""
    return _keys(set(files) - kept(session, files) - _uploaded(session, files))


def in_use(session: Session, files: Collection[str]) -> set[str]:
    """Those of these files that a queued or running job or a waiting row of a batch names.

    Lock them before.
    """
    active = Job.state.in_([State.QUEUED, State.RUNNING])
    return _referenced(session, files, active) | _of_waiting_rows(session, files)


def kept(session: Session, files: Collection[str]) -> set[str]:
    """Those of these files that a kept job or a waiting row names. Lock them before."""
    return _referenced(session, files, _KEPT) | _of_waiting_rows(session, files)


def result_keys(job: Job) -> list[str]:
    """Recorded object keys of a final job: its result, the other files and the poster.

    Files of an attempt that died are not recorded; find them by `result_prefix`.
    """
    if job.result is None:
        return []
    return [job.result["key"], *_file_keys(job.result.get("files")), *_poster_key(job.result)]


def orphaned_results(session: Session, keys: Iterable[str]) -> list[str]:
    """Those of these result objects that belong to no job. Keys of another form are ignored."""
    jobs = {key: key.removeprefix(RESULTS).split("/")[0] for key in keys}
    valid = {key: job_id for key, job_id in jobs.items() if is_id(job_id, "job")}
    conditions = Job.id.in_(set(valid.values())), Job.expired_at.is_(None), Job.result.is_not(None)
    columns = Job.result["key"].astext, Job.result["files"], Job.result["poster"]["key"].astext
    referenced = {
        key
        for result, files, poster in session.execute(select(*columns).where(*conditions))
        for key in (result, *_file_keys(files), poster)
    }
    return [key for key in valid if key not in referenced]


def orphaned_inputs(session: Session, keys: Iterable[str]) -> list[str]:
    """Those of these input objects that belong to no job and no waiting row of a batch.

    Keys of another form are ignored.
    """
    named = {key: key.removeprefix(INPUTS) for key in keys}
    valid = {key: file for key, file in named.items() if is_id(file, "file")}
    files = valid.values()
    referenced = _of_waiting_rows(session, files)  # before the jobs: a row may become one meanwhile
    referenced |= _referenced(session, files) | _uploaded(session, files)
    return [key for key, file in valid.items() if file not in referenced]


def _of_waiting_rows(session: Session, files: Collection[str]) -> set[str]:
    """Those of these files that a row of a batch names which is no job yet."""
    if not files:
        return set()
    return set(session.scalars(_OF_WAITING_ROWS, {"files": list(files)}))


def _uploaded(session: Session, files: Collection[str]) -> set[str]:
    """Those of these files that have a row of their own, which decides how long they are kept."""
    query = select(UploadedFile.id).where(UploadedFile.id.in_(list(files)))
    return set(session.scalars(query)) if files else set()


def orphaned_uploads(session: Session, keys: Iterable[str]) -> list[str]:
    """Those of these objects of uploads, `uploads/<id>`, that belong to no file any more."""
    files = {key: key.rpartition("/")[2] for key in keys}
    valid = {key: file for key, file in files.items() if is_id(file, "file")}
    known = _uploaded(session, valid.values())
    return [key for key, file in valid.items() if file not in known]


def _file_keys(files: list[dict[str, Any]] | None) -> Iterator[str]:
    """Object keys of a result's extra files; results of older workers have none."""
    return (file["key"] for file in files or [])


def _poster_key(result: dict[str, Any]) -> Iterator[str]:
    """The object key of a result's poster; results of older workers have none."""
    return (poster["key"] for poster in (result.get("poster"),) if poster is not None)


def named_files(job_input: dict[str, Any]) -> set[str]:
    """Ids of the uploaded files in a job's input."""
    values = (value for value in job_input.values() if isinstance(value, str))
    return {value for value in values if is_id(value, "file")}


def _keys(files: Iterable[str]) -> tuple[str, ...]:
    return tuple(input_key(file) for file in sorted(files))


def _referenced(session: Session, files: Collection[str], *conditions: Any) -> set[str]:
    """Those of these files that are the input of a job that has not expired.

    Uses count() instead of EXISTS, because for EXISTS the planner may scan all jobs per file.
    """
    if not files:
        return set()
    file = func.unnest(array(list(files))).column_valued("file")
    uses = select(func.count()).where(Job.expired_at.is_(None), _FILES.has_key(file), *conditions)
    return set(session.scalars(select(file).where(uses.scalar_subquery() > 0)))
