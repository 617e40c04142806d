"""Latest preview of each job: replaced while it runs, kept if it ends without a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete as delete_from
from sqlalchemy import select

from jobs.states import State
from jobs.tables import Job, Preview

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session


def latest(session: Session, job: Job) -> Preview | None:
    """The preview of a job's last attempt, if there is one."""
    preview = session.get(Preview, job.id)
    return preview if preview is not None and preview.attempt == job.attempt else None


def ids_with_preview(session: Session, jobs: Collection[Job]) -> set[str]:
    """Ids of the given jobs that have a preview of their last attempt."""
    candidates = [job.id for job in jobs if job.attempt and job.state != State.SUCCEEDED]
    if not candidates:
        return set()
    query = (
        select(Preview.job_id)
        .join(Job, (Job.id == Preview.job_id) & (Job.attempt == Preview.attempt))
        .where(Preview.job_id.in_(candidates))
    )
    return set(session.scalars(query))


def delete(session: Session, job_ids: Collection[str]) -> None:
    """Delete the previews of these jobs."""
    session.execute(delete_from(Preview).where(Preview.job_id.in_(job_ids)))
