"""Takes the pieces of an upload to local storage, by signed URL. A bucket takes them itself.

The same protocol as a resumable upload of Google Cloud Storage.
"""

import re
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, BinaryIO, Final

from fastapi import Header, Path, Query, Request, Response
from pydantic import BaseModel, Field

from api.context.app_context import AppContext
from api.context.calls import entered
from api.context.deps import ContextDep
from api.context.sharing.fair_slots import ALL_CALLERS, CALLER
from api.errors.problems import FROM_PAGES, STORAGE, WITH_DATABASE, Problem, problem_responses
from api.routers import other_router
from jobs.errors import ErrorCode, RequestError
from jobs.files import uploads as files
from storage.base import KeyInvalid, LinkExpired, LinkInvalid
from storage.local.store import LocalStorage

router = other_router(prefix="/uploads", tags=["files"])

_RANGE: Final = re.compile(r"bytes (?:(\d{1,15})-(\d{1,15})|\*)/(\d{1,15})", re.ASCII)
_WRITE_BYTES: Final = 512 * 1024


class UploadLink(BaseModel):
    """The query of a signed URL."""

    expires: int = Field(description="Unix time at which the URL expires.")
    signature: str = Field(max_length=128)
    filename: str = Field(max_length=200, description="What the URL is for.")


@router.put(
    "/{file_id}",
    response_class=Response,
    responses={
        308: {"description": "More bytes are needed. `Range` says which have arrived, if any."},
        **problem_responses(
            {
                400: [ErrorCode.INVALID_INPUT],
                403: [ErrorCode.LINK_INVALID],
                404: [ErrorCode.NOT_FOUND],
                408: [ErrorCode.REQUEST_TIMEOUT],
                413: [ErrorCode.BODY_TOO_LARGE],
                422: [ErrorCode.INVALID_INPUT],
                503: [ErrorCode.TOO_MANY_UPLOADS],
            },
            STORAGE,
            WITH_DATABASE,
            FROM_PAGES,
        ),
    },
)
async def put_piece(
    file_id: Annotated[str, Path(max_length=100)],
    request: Request,
    context: ContextDep,
    link: Annotated[UploadLink, Query()],
    content_range: Annotated[
        str | None, Header(max_length=100, examples=["bytes 0-8388607/20000000"])
    ] = None,
) -> Response:
    """Send a piece of a file, or ask with an empty one which bytes have arrived."""
    if not isinstance(context.storage, LocalStorage):
        raise RequestError(ErrorCode.NOT_FOUND, "This server stores files in a bucket.")
    uploads = context.storage.uploads
    try:
        size = uploads.verify_link(
            file_id,
            expires=link.expires,
            filename=link.filename,
            signature=link.signature,
            now=datetime.now(UTC),
        )
    except (LinkInvalid, LinkExpired, KeyInvalid) as error:
        detail = "This URL has expired or was altered. GET /v1/files/{id}/upload has a new one."
        raise RequestError(ErrorCode.LINK_INVALID, detail) from error
    owner = await context.database_calls.run(files.owner_while_unfinished, file_id)
    if owner is None:
        return _answer(size, size)
    CALLER.set(ALL_CALLERS if context.settings.auth == "off" else owner)
    received = await context.storage_calls.run(uploads.received_bytes, file_id)
    start, end = _span(content_range, size)
    if start == received < end:
        received = await _append(context, uploads.appending(file_id), request, (start, end))
    return _answer(received, size)


def _span(header: str | None, size: int) -> tuple[int, int]:
    """First byte and the one after the last; an empty span asks for what has arrived."""
    if header is None:
        return 0, size
    found = _RANGE.fullmatch(header)
    if found is None or int(found[3]) != size:
        raise _invalid(
            f"Content-Range must be such as bytes 0-{size - 1}/{size}, or bytes */{size}"
        )
    if found[1] is None:
        return size, size
    start, end = int(found[1]), int(found[2]) + 1
    if not start < end <= size:
        raise _invalid(f"Content-Range ends before its start, or after the {size:,} bytes")
    return start, end


async def _append(
    context: AppContext,
    appending: AbstractContextManager[BinaryIO],
    request: Request,
    span: tuple[int, int],
) -> int:
    """Append the body as it arrives, so that a broken connection keeps what came before.

    A piece that another request has just appended is not appended once more.
    Returns how many bytes the file has. Raises `RequestError`.
    """
    start, end = span
    most, calls = end - start, context.storage_calls
    try:
        async with entered(appending, calls, context.closing) as file:
            if file.tell() != start:
                return file.tell()
            buffer = bytearray()
            async for chunk in request.stream():
                buffer += chunk
                most -= len(chunk)
                if most < 0:
                    raise _invalid("the body has more bytes than Content-Range says")
                if len(buffer) >= _WRITE_BYTES:
                    await calls.run(file.write, bytes(buffer))
                    buffer.clear()
            await calls.run(_write_last, file, bytes(buffer))
            return file.tell()
    except BlockingIOError as error:
        detail = "Another request sends bytes of this file now. Ask which have arrived, and go on."
        raise RequestError(ErrorCode.TOO_MANY_UPLOADS, detail, retryable=True) from error


def _write_last(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()


def _answer(received: int, size: int) -> Response:
    if received >= size:
        return Response(status_code=HTTPStatus.OK)
    arrived = {"Range": f"bytes=0-{received - 1}"} if received else {}
    return Response(status_code=HTTPStatus.PERMANENT_REDIRECT, headers=arrived)


def _invalid(detail: str) -> Problem:
    return Problem(ErrorCode.INVALID_INPUT, f"{detail}.", status=HTTPStatus.BAD_REQUEST)
