"""The newest picture of what a job makes: made while it runs, kept if it ends without a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete as delete_from
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from jobs.errors import LeaseLost
from jobs.states import State
from jobs.tables import Job, Preview

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from jobs.lease import Lease


def save(session: Session, lease: Lease, jpeg: bytes) -> None:
    """Put it in the place of the one before. Raises `LeaseLost`.

    The job's row is locked, so that no preview comes in behind the end of its job.
    """
    held = session.scalar(
        select(Job.id)
        .where(Job.id == lease.job_id, Job.lease_token == lease.token, Job.state == State.RUNNING)
        .with_for_update(read=True)
    )
    if held is None:
        raise LeaseLost
    values = {"attempt": lease.attempt, "jpeg": jpeg, "at": func.clock_timestamp()}
    session.execute(
        insert(Preview)
        .values(job_id=lease.job_id, **values)
        .on_conflict_do_update(index_elements=["job_id"], set_=values)
    )


def latest(session: Session, job: Job) -> Preview | None:
    """The preview of a job's last attempt, if there is one."""
    preview = session.get(Preview, job.id)
    return preview if preview is not None and preview.attempt == job.attempt else None


def ids_with_preview(session: Session, jobs: Collection[Job]) -> set[str]:
    """The ids of those of these jobs that have a preview of their last attempt."""
    tried = [job.id for job in jobs if job.attempt and job.state != State.SUCCEEDED]
    if not tried:
        return set()
    query = (
        select(Preview.job_id)
        .join(Job, (Job.id == Preview.job_id) & (Job.attempt == Preview.attempt))
        .where(Preview.job_id.in_(tried))
    )
    return set(session.scalars(query))


def delete(session: Session, job_ids: Collection[str]) -> None:
    """Delete the previews of these jobs."""
    session.execute(delete_from(Preview).where(Preview.job_id.in_(job_ids)))
