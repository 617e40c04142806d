"""A result as the answer to the request that asked for it, and a failure as its error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import StreamingResponse

from api.errors.problems import Problem
from api.results.responses import download_name
from api.results.routes import require_result
from jobs.errors import ErrorCode, FieldError
from storage.signed_links import content_disposition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fastapi import Response

    from api.context.app_context import AppContext
    from jobs.errors import RequestError
    from jobs.rows import JobRow
    from storage.base import Storage


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
    result = require_result(job)
    first, rest = await context.storage_calls.run(_open, context.storage, result["key"])

    async def body() -> AsyncIterator[bytes]:
        chunk = first
        while chunk:
            yield chunk
            chunk = await context.storage_calls.run(next, rest, b"")

    return StreamingResponse(
        body(),
        media_type=result["content_type"],
        headers=headers
        | {
            "Content-Length": str(result["size_bytes"]),
            "Content-Disposition": content_disposition(download_name(result, job.model, job.id)),
        },
    )


def _open(storage: Storage, key: str) -> tuple[bytes, Iterator[bytes]]:
    chunks = storage.open(key)
    return next(chunks, b""), chunks
