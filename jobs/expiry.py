"""What a job leaves in the store, and when nobody needs it any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, literal_column, select, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB, array

from jobs import previews
from jobs.history import record
from jobs.ids import input_key, is_id
from jobs.states import Event, State
from jobs.tables import Attempt, Job

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

RESULTS = "results/"
INPUTS = "inputs/"

_FILES = literal_column(
    """jsonb_path_query_array(jobs.input, '$.* ? (@ starts with "file_")')""", JSONB
)
"""The uploaded files that a job names, in the words of the index `ix_jobs_files`."""
_ACTIVE = Job.state.in_([State.QUEUED, State.RUNNING])


@dataclass(frozen=True)
class Expired:
    """A job whose time is over, and what it has in the store."""

    job_id: str
    expires_at: datetime
    input_keys: tuple[str, ...]
    """Its uploaded inputs, less those that an unfinished job needs."""

    @property
    def result_prefix(self) -> str:
        """Begins the keys of all that its attempts made."""
        return result_prefix(self.job_id)


def result_prefix(job_id: str) -> str:
    """Begins the keys of all that the attempts of a job made: videos and other files."""
    return f"{RESULTS}{job_id}/"


def due(session: Session, *, limit: int, after: Expired | None = None) -> list[Expired]:
    """Jobs whose time is over, the longest first; those behind `after`, to go on from there."""
    query = (
        select(Job)
        .where(Job.expires_at <= func.now(), Job.expired_at.is_(None))
        .order_by(Job.expires_at, Job.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(Job.expires_at, Job.id) > (after.expires_at, after.job_id))
    jobs = session.scalars(query).all()
    needed = _needed(session, {file for job in jobs for file in _files(job.input)})
    return [
        Expired(job.id, job.expires_at, _keys(_files(job.input) - needed))
        for job in jobs
        if job.expires_at is not None
    ]


def mark_expired(session: Session, job_ids: Iterable[str]) -> list[str]:
    """Write down that these jobs have nothing in the store any more; returns the new ones.

    Their previews go, too.
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


def keys_of(session: Session, job: Job) -> list[str]:
    """Every key that a final job is known to have in the store, also of attempts' lost videos.

    Other files of an attempt that died are known to the store alone: see `result_prefix`.
    """
    attempts = session.scalars(select(Attempt).where(Attempt.job_id == job.id))
    prefix = result_prefix(job.id)
    results = [f"{prefix}{attempt.number}-{attempt.token.hex[:8]}.mp4" for attempt in attempts]
    results += _keys_among((job.result or {}).get("files"))
    files = _files(job.input)
    return [*results, *_keys(files - _needed(session, files))]


def orphaned_results(session: Session, keys: Iterable[str]) -> list[str]:
    """Which of these objects no job has made. Keys that we never make are left alone."""
    jobs = {key: key.removeprefix(RESULTS).split("/")[0] for key in keys}
    ours = {key: job_id for key, job_id in jobs.items() if is_id(job_id, "job")}
    chosen = Job.id.in_(set(ours.values())), Job.expired_at.is_(None), Job.result.is_not(None)
    rows = session.execute(select(Job.result["key"].astext, Job.result["files"]).where(*chosen))
    named = {key for video, files in rows for key in (video, *_keys_among(files))}
    return [key for key in ours if key not in named]


def orphaned_inputs(session: Session, keys: Iterable[str]) -> list[str]:
    """Which of these objects are the input of no job. Keys that we never make are left alone."""
    files = {key: key.removeprefix(INPUTS) for key in keys}
    ours = {key: file for key, file in files.items() if is_id(file, "file")}
    named = _named(session, ours.values())
    return [key for key, file in ours.items() if file not in named]


def _keys_among(files: list[dict[str, Any]] | None) -> Iterator[str]:
    """Of the files that a result names; one that was made by an older worker names none."""
    return (file["key"] for file in files or [])


def _files(job_input: dict[str, Any]) -> set[str]:
    values = (value for value in job_input.values() if isinstance(value, str))
    return {value for value in values if is_id(value, "file")}


def _keys(files: Iterable[str]) -> tuple[str, ...]:
    return tuple(input_key(file) for file in sorted(files))


def _needed(session: Session, files: Collection[str]) -> set[str]:
    return _named(session, files, _ACTIVE)


def _named(session: Session, files: Collection[str], *chosen: Any) -> set[str]:
    """Which of these files a job names, of those that have not expired.

    Counts, where EXISTS would do, because the planner then never reads all jobs for each file.
    """
    if not files:
        return set()
    file = func.unnest(array(list(files))).column_valued("file")
    uses = select(func.count()).where(Job.expired_at.is_(None), _FILES.has_key(file), *chosen)
    return set(session.scalars(select(file).where(uses.scalar_subquery() > 0)))
