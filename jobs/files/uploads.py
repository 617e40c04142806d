"""What the API does with uploaded files: record, find, list, delete. The caller commits.

A submission locks the files that it names, and a deletion locks its file before it looks for jobs
that need it: so no accepted job loses its file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, null, select, text, tuple_, update

from jobs import expiry, file_locks
from jobs.errors import ErrorCode, FieldError, RequestError
from jobs.ids import input_key, is_id
from jobs.tables import UploadedFile
from jobs.usage import quotas

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sqlalchemy.orm import Session

UPLOAD_SECONDS = 24 * 3600
"""How long the bytes of a file may take to arrive, over any number of connections."""
DEFAULT_PURPOSE = "user_data"
"""What OpenAI calls a file for any use."""
_LOCK_ACCOUNT = text("SELECT pg_advisory_xact_lock(6712579, hashtext(:account))")


@dataclass(frozen=True)
class NewFile:
    """A file to record: whose bytes are stored, or with `upload`, to be stored."""

    id: str
    account: str
    filename: str
    size_bytes: int
    ttl: timedelta
    """How long it is kept once it is complete."""
    content_type: str | None = None
    sha256: str | None = None
    upload: dict[str, Any] | None = None
    """How its bytes arrive."""
    purpose: str | None = None
    """What its owner says it is for: shown, and one may list by it."""
    details: dict[str, Any] | None = None
    """What its owner wants to be kept with it; it is shown, and nothing more."""


@dataclass(frozen=True)
class Cursor:
    """Where a page of files ended."""

    created_at: datetime
    id: str


@dataclass(frozen=True)
class Listing:
    """What to list: pages go on behind a cursor."""

    limit: int
    start: Cursor | None = None
    oldest_first: bool = False
    sha256: str | None = None
    """Only files of this content."""
    purpose: str | None = None
    """Only files for this; those that say nothing are for `DEFAULT_PURPOSE`."""


@dataclass(frozen=True)
class Expired:
    """A batch of files past their time."""

    count: int
    """How many were deleted."""
    keys: tuple[str, ...]
    """Objects to delete after the commit; if that fails, they are orphans."""
    unfinished: dict[str, dict[str, Any]]
    """Uploads to drop after the commit, by the id of the file."""
    expires_at: datetime
    id: str


def record(session: Session, new: NewFile, *, max_bytes: int) -> UploadedFile:
    """Record a file.

    Raises `RequestError` (file_quota) over `max_bytes` of the account, or over its own quota of
    stored bytes, which counts what its jobs store, too.
    """
    session.execute(_LOCK_ACCOUNT, {"account": new.account})
    total = func.coalesce(func.sum(UploadedFile.size_bytes), 0)
    stored: int = session.scalars(select(total).where(UploadedFile.account == new.account)).one()
    if stored + new.size_bytes > max_bytes:
        raise RequestError(
            ErrorCode.FILE_QUOTA,
            f"Your files have {stored:,} bytes, and may have {max_bytes:,} with this one of "
            f"{new.size_bytes:,}. Delete some with DELETE /v1/files/{{id}}.",
        )
    _check_quota(session, new, stored)
    complete = new.upload is None
    row: UploadedFile = session.scalars(
        insert(UploadedFile)
        .values(
            id=new.id,
            account=new.account,
            filename=new.filename,
            size_bytes=new.size_bytes,
            content_type=new.content_type,
            sha256=new.sha256,
            upload=null() if new.upload is None else new.upload,
            purpose=new.purpose,
            details=null() if new.details is None else new.details,
            ttl=new.ttl,
            ready_at=func.now() if complete else None,
            expires_at=func.now() + (new.ttl if complete else text(f"'{UPLOAD_SECONDS} s'")),
        )
        .returning(UploadedFile)
    ).one()
    return row


def _check_quota(session: Session, new: NewFile, files: int) -> None:
    quota = quotas.find(session, new.account)
    if quota is None or quota.stored_bytes is None:
        return
    stored = files + quotas.bytes_of_jobs(session, new.account)
    if stored + new.size_bytes > quota.stored_bytes:
        raise RequestError(
            ErrorCode.FILE_QUOTA,
            f"Your account stores {stored:,} bytes, and may store {quota.stored_bytes:,} with this "
            f"file of {new.size_bytes:,}. Delete files, or jobs that have ended.",
        )


def find(session: Session, account: str, file_id: str) -> UploadedFile:
    """One file of this account. Raises `RequestError` (file_not_found) for any other id."""
    row = session.get(UploadedFile, file_id) if is_id(file_id, "file") else None
    if row is None or row.account != account:
        raise RequestError(ErrorCode.FILE_NOT_FOUND, "No file of yours has this id.")
    return row


def owner_while_unfinished(session: Session, file_id: str) -> str | None:
    """The account of a file, None if that is complete. Raises `RequestError` (not_found) if it is
    deleted."""
    row = session.get(UploadedFile, file_id)
    if row is None:
        raise RequestError(ErrorCode.NOT_FOUND, "The file was deleted, or has expired.")
    return row.account if row.ready_at is None else None


def page(session: Session, account: str, listing: Listing) -> list[UploadedFile]:
    """Files of this account, in the order of their creation."""
    order = UploadedFile.created_at, UploadedFile.id
    query = select(UploadedFile).where(UploadedFile.account == account).limit(listing.limit)
    if listing.sha256 is not None:
        query = query.where(UploadedFile.sha256 == listing.sha256)
    if listing.purpose is not None:
        purpose = func.coalesce(UploadedFile.purpose, DEFAULT_PURPOSE)
        query = query.where(purpose == listing.purpose)
    if listing.start is not None:
        last = (listing.start.created_at, listing.start.id)
        query = query.where(
            tuple_(*order) > last if listing.oldest_first else tuple_(*order) < last
        )
    sorting = (column.asc() if listing.oldest_first else column.desc() for column in order)
    return list(session.scalars(query.order_by(*sorting)))


def complete(
    session: Session, account: str, file_id: str, *, content_type: str, sha256: str
) -> UploadedFile:
    """Record that the bytes of a file have arrived. The same if they had before."""
    row: UploadedFile | None = session.scalars(
        update(UploadedFile)
        .where(UploadedFile.id == file_id, UploadedFile.ready_at.is_(None))
        .values(
            content_type=content_type,
            sha256=sha256,
            upload=null(),
            ready_at=func.now(),
            expires_at=func.now() + UploadedFile.ttl,
        )
        .returning(UploadedFile)
    ).one_or_none()
    return row or find(session, account, file_id)


def delete(session: Session, account: str, file_id: str) -> list[str]:
    """Delete a file. Returns the object keys to delete after the commit.

    The object stays while a job that names the file is kept, and is deleted with the last one.
    Raises `RequestError`: file_not_found, file_in_use.
    """
    find(session, account, file_id)
    file_locks.lock_for_deletion(session, [file_id], [account])
    if expiry.in_use(session, [file_id]):
        message = (
            "a queued or running job or a waiting row of a batch needs it: wait for its end, or "
            "cancel it"
        )
        raise RequestError(
            ErrorCode.FILE_IN_USE,
            f"The file is not deleted, because {message}.",
            errors=(FieldError("", message),),
        )
    session.execute(delete_from(UploadedFile).where(UploadedFile.id == file_id))
    return [] if expiry.kept(session, [file_id]) else [input_key(file_id)]


def expire(session: Session, *, limit: int, after: Expired | None = None) -> Expired | None:
    """Delete up to `limit` files past their time, starting behind `after`. None: no more are.

    A file stays as long as a queued or running job or a waiting row of a batch names it.
    """
    order = UploadedFile.expires_at, UploadedFile.id
    query = select(*order, UploadedFile.account).where(
        UploadedFile.expires_at <= func.clock_timestamp()
    )
    if after is not None:
        query = query.where(tuple_(*order) > (after.expires_at, after.id))
    rows = session.execute(query.order_by(*order).limit(limit)).all()
    if not rows:
        return None
    ids = [row.id for row in rows]
    file_locks.lock_for_deletion(session, ids, {row.account for row in rows})
    unused = set(ids) - expiry.in_use(session, ids)
    removed = session.execute(
        delete_from(UploadedFile)
        .where(UploadedFile.id.in_(unused), UploadedFile.expires_at <= func.clock_timestamp())
        .returning(UploadedFile.id, UploadedFile.upload)
    ).all()
    deleted = [row.id for row in removed]
    gone = set(deleted) - expiry.kept(session, deleted)
    keys = tuple(input_key(file) for file in sorted(gone))
    unfinished = {row.id: row.upload for row in removed if row.upload is not None}
    return Expired(len(deleted), keys, unfinished, rows[-1].expires_at, rows[-1].id)
