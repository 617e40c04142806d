"""Uploads in pieces: begun with JSON, sent to the store by signed links, then completed.

The bytes become a file only at the end, when they were read and checked here. So what a job gets is
what was checked, even if a link is used once more.
"""

from __future__ import annotations

from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.bodies.json_limits import check_limits
from api.errors.validation import invalid_field, invalid_input, rejected_media
from api.files.received import (
    MAX_FILENAME,
    Purpose,
    check_file,
    check_metadata,
    chosen_name,
    chosen_ttl,
    too_large,
)
from api.files.responses import File, Upload
from api.jobs import strict_json
from jobs.errors import ErrorCode, FieldError, RequestError
from jobs.files import uploads
from jobs.files.uploads import UPLOAD_SECONDS, NewFile
from jobs.ids import input_key
from models.spec import MediaKind
from storage.base import ObjectExists, StorageError, UploadIncomplete
from storage.sniffing.media import HEAD_BYTES, MediaRejected, sniff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import Request
    from sqlalchemy.orm import Session

    from api.context.app_context import AppContext
    from storage.direct import UploadState

LINK_TTL: Final = timedelta(seconds=UPLOAD_SECONDS)
MAX_BODY_BYTES: Final = 10_000


class NewUpload(BaseModel):
    """A file that will be sent in pieces."""

    model_config = ConfigDict(extra="forbid", strict=True)

    filename: str = Field(min_length=1, max_length=MAX_FILENAME, examples=["take-7.mov"])
    size: int = Field(gt=0, description="In bytes.", examples=[182_044_331])
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="In hex: compared at the end."
    )
    ttl_seconds: int | None = Field(default=None, ge=60)
    purpose: Purpose | None = None
    metadata: dict[str, Any] | None = Field(
        default=None, description="Whatever you want to be kept with the file."
    )


async def read_new_upload(request: Request) -> NewUpload:
    """Read and check the body. Raises `RequestError`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            detail = f"The JSON body exceeds {MAX_BODY_BYTES:,} bytes."
            raise RequestError(ErrorCode.BODY_TOO_LARGE, detail)
    check_limits(bytes(body))
    value = strict_json.parse(bytes(body))
    try:
        return NewUpload.model_validate(value)
    except ValidationError as error:
        raise invalid_input(error, value=value) from error


async def begin(new: NewUpload, account: str, context: AppContext) -> File:
    """Begin an upload: the file with where to send its bytes. Raises `RequestError`."""
    longest = max(context.url_policy.limit_bytes(kind.value) for kind in MediaKind)
    if new.size > longest:
        message = f"must be at most {longest:,}, the largest file of any kind of media"
        raise invalid_field(FieldError("/size", message), ErrorCode.INPUT_TOO_LARGE)
    ttl = chosen_ttl(new.ttl_seconds, context.settings.file_ttl)
    details = None if new.metadata is None else check_metadata(new.metadata)
    file_id = context.file_ids.new(account)
    state = await context.storage_calls.run(context.storage.uploads.start, file_id, new.size)
    row = NewFile(
        id=file_id,
        account=account,
        filename=chosen_name(new.filename, ""),
        size_bytes=new.size,
        ttl=ttl,
        sha256=new.sha256,
        upload=state,
        purpose=new.purpose,
        details=details,
    )
    try:
        file = await context.database_calls.run(_record, row, context)
    except RequestError:
        await drop(context, file_id, state)
        raise
    return await with_upload(file, state, context)


async def with_upload(file: File, state: UploadState, context: AppContext) -> File:
    """The file with where to send its bytes. Raises `RequestError` (file_not_ready)."""
    now, direct = datetime.now(UTC), context.storage.uploads
    with _incomplete_as_409():
        instructions = await context.storage_calls.run(
            direct.instructions, file.id, state, ttl=LINK_TTL, now=now
        )
    return file.model_copy(update={"upload": Upload.of(instructions)})


async def drop(context: AppContext, file_id: str, state: UploadState) -> None:
    """Delete what has arrived. If that fails, maintenance does."""
    with suppress(StorageError):
        await context.storage_calls.run(context.storage.uploads.drop, file_id, state)


async def complete(file: File, state: UploadState, account: str, context: AppContext) -> File:
    """Check the bytes that have arrived, and make them a file.

    Raises `RequestError`: file_not_ready; for other bytes than were announced file_mismatch, for
    what is no medium the error of an upload: then the upload is deleted.
    """
    expected = file.checksums.sha256
    try:
        with _incomplete_as_409():
            found = await context.completions.run(_take, file.id, state, expected, context)
    except RequestError as error:
        if error.code == ErrorCode.FILE_NOT_READY:
            raise
        await context.database_calls.run(uploads.delete, account, file.id)
        await drop(context, file.id, state)
        raise
    ready = await context.database_calls.run(_complete, account, file.id, found, context)
    await drop(context, file.id, state)
    return ready


@contextmanager
def _incomplete_as_409() -> Iterator[None]:
    try:
        yield
    except UploadIncomplete as error:
        raise RequestError(
            ErrorCode.FILE_NOT_READY, f"The upload is not complete: {error}."
        ) from error


@dataclass(frozen=True)
class _Found:
    """What the bytes of a file are."""

    content_type: str
    sha256: str


def _take(file_id: str, state: UploadState, expected: str | None, context: AppContext) -> _Found:
    """Copy the bytes into an object, once they are checked. In a thread: this takes its time."""
    chunks = context.storage.uploads.read(file_id, state)
    upload = context.storage.begin(input_key(file_id), scratch=context.scratch_path)
    with closing(upload):
        for chunk in chunks:
            upload.write(chunk)
        if expected not in {None, upload.sha256}:
            detail = f"The bytes have the SHA-256 {upload.sha256}, but {expected} was announced."
            raise RequestError(ErrorCode.FILE_MISMATCH, detail)
        content_type = _checked(upload.path, context)
        with suppress(ObjectExists):  # by a request whose answer was lost: of the same bytes
            upload.commit(content_type)
        return _Found(content_type, upload.sha256)


def _checked(path: Path, context: AppContext) -> str:
    """The content type of complete media. Raises `RequestError`."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        found = sniff(head)
        kinds = [kind for kind in MediaKind if found.usable_as(kind.value)]
        limit = max(context.url_policy.limit_bytes(kind.value) for kind in kinds)
        if path.stat().st_size > limit:
            raise too_large()
        check_file(path, found)
    except MediaRejected as error:
        raise rejected_media(error, "/file", "file") from error
    return found.mime


def _record(session: Session, new: NewFile, context: AppContext) -> File:
    limit = context.settings.max_file_bytes_per_account
    row = uploads.record(session, new, max_bytes=limit)
    return File.of(row, context.settings.public_url)


def _complete(
    session: Session, account: str, file_id: str, found: _Found, context: AppContext
) -> File:
    row = uploads.complete(
        session, account, file_id, content_type=found.content_type, sha256=found.sha256
    )
    return File.of(row, context.settings.public_url)
