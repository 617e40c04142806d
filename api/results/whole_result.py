"""A result as the answer to the request that asked for it, and a failure as its error."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi import Response
from fastapi.responses import StreamingResponse

from api.conditional import Validators
from api.errors.problems import Problem
from api.middleware.head_as_get import BODILESS
from api.results.responses import download_name
from api.results.routes import require_result
from jobs.errors import ErrorCode, FieldError
from storage.signed_links import content_disposition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fastapi import Request

    from api.context.app_context import AppContext
    from jobs.errors import RequestError
    from jobs.rows import JobRow
    from storage.base import Storage

_KEPT: Final = {"Cache-Control": "private, no-cache"}
"""Only the cache of the caller may keep the file, and asks each time if it may still use it."""


def failure(job: JobRow, headers: dict[str, str]) -> RequestError:
    """The error of a job that has failed or was canceled, as the answer to its request."""
    if job.error is None:
        detail = "The job was canceled, so it has no result."
        return Problem(ErrorCode.JOB_WITHOUT_RESULT, detail, headers=headers)
    field = job.error.get("field")
    detail = job.error["detail"]
    return Problem(
        ErrorCode.of(job.error["code"]),
        detail,
        retryable=job.error["retryable"],
        errors=(FieldError(f"/input/{field}", detail),) if field else (),
        headers=headers,
        model_code=job.error["code"],
    )


async def whole_result(job: JobRow, context: AppContext, headers: dict[str, str]) -> Response:
    """The bytes of the result. The first are read before the answer begins: it may be an error."""
    return await _bytes(job, context, headers, (0, require_result(job)["size_bytes"]))


async def result_download(job: JobRow, context: AppContext, request: Request) -> Response:
    """The result, a part of it, or 304 for a caller that has it. Raises `RequestError`."""
    result = require_result(job)
    size = result["size_bytes"]
    validators = Validators.of_digest(result["sha256"], job.ended_at or job.created_at)
    headers = _KEPT | validators.headers
    if validators.known_to(request.headers):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    part = validators.wanted_range(request.headers, size)
    start, end = part or (0, size)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    bodiless = request.scope.get(BODILESS, False)
    answer = await _bytes(job, context, headers, (start, end), bodiless=bodiless)
    answer.status_code = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
    return answer


async def _bytes(
    job: JobRow,
    context: AppContext,
    headers: dict[str, str],
    span: tuple[int, int],
    *,
    bodiless: bool = False,
) -> Response:
    result = require_result(job)
    start, end = span
    about = {
        "Content-Length": str(end - start),
        "Content-Disposition": content_disposition(download_name(result, job.model, job.id)),
    }
    if bodiless:
        await context.storage_calls.run(context.storage.stat, result["key"])
        return Response(headers=headers | about, media_type=result["content_type"])
    first, rest = await context.storage_calls.run(_open, context.storage, result["key"], span)

    async def body() -> AsyncIterator[bytes]:
        chunk = first
        while chunk:
            yield chunk
            chunk = await context.storage_calls.run(next, rest, b"")

    return StreamingResponse(body(), media_type=result["content_type"], headers=headers | about)


def _open(storage: Storage, key: str, span: tuple[int, int]) -> tuple[bytes, Iterator[bytes]]:
    chunks = storage.open(key, start=span[0], end=span[1])
    return next(chunks, b""), chunks
