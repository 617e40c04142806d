"""Create, list, find and revoke shares. The caller commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete as delete_from
from sqlalchemy import func, select

from jobs import service
from jobs.errors import ErrorCode, RequestError, job_not_found
from jobs.ids import is_id, new_share_id
from jobs.shares.tables import Share
from jobs.tables import Job

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.orm import Session

MAX_SHARES: Final = 50
"""Shares of one job that are valid at a time."""


def create(session: Session, account: str, job_id: str, expires_in: timedelta) -> Share:
    """Share a job. Raises `RequestError`: job_not_found, share_limit.

    Shares of the job that have expired are deleted on this occasion.
    """
    service.find(session, account, job_id)
    held = select(Job.id).where(Job.id == job_id).with_for_update(key_share=True)
    if session.scalar(held) is None:
        raise job_not_found()
    session.execute(
        delete_from(Share).where(Share.job_id == job_id, Share.expires_at <= func.now())
    )
    count = session.scalar(select(func.count()).where(Share.job_id == job_id)) or 0
    if count >= MAX_SHARES:
        detail = f"The job has {count} shares, which is the limit. Revoke one first."
        raise RequestError(ErrorCode.SHARE_LIMIT, detail)
    share = Share(id=new_share_id(), job_id=job_id, expires_at=func.now() + expires_in)
    session.add(share)
    session.flush()
    session.refresh(share)
    return share


def of_job(session: Session, account: str, job_id: str) -> list[Share]:
    """The valid shares of a job, newest first. Raises `RequestError` (job_not_found)."""
    service.find(session, account, job_id)
    valid = Share.job_id == job_id, Share.expires_at > func.now()
    return list(session.scalars(select(Share).where(*valid).order_by(Share.id.desc())))


def revoke(session: Session, account: str, job_id: str, share_id: str) -> None:
    """Revoke a share. Raises `RequestError`: job_not_found, share_not_found."""
    service.find(session, account, job_id)
    gone = session.scalar(
        delete_from(Share)
        .where(Share.job_id == job_id, Share.id == share_id, Share.expires_at > func.now())
        .returning(Share.id)
    )
    if gone is None:
        raise share_not_found()


def shared(session: Session, share_id: str) -> tuple[Share, Job]:
    """A valid share and its job. Raises `RequestError` (share_not_found)."""
    share = session.get(Share, share_id) if is_id(share_id, "share") else None
    valid = share is not None and session.scalar(select(func.now() < share.expires_at))
    job: Job | None = session.get(Job, share.job_id) if share is not None and valid else None
    if share is None or job is None:
        raise share_not_found()
    return share, job


def share_not_found() -> RequestError:
    """The same error for a forged, an expired and a revoked share."""
    detail = "There is no such share: the link is not complete, has expired or was revoked."
    return RequestError(ErrorCode.SHARE_NOT_FOUND, detail)
