"""Downloads from local storage, by signed URL. A bucket serves its objects itself."""

import os
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from api.conditional import DOWNLOAD, Validators, in_bytes, parse_ranges
from api.context.deps import ContextDep
from api.errors.problems import FROM_PAGES, problem_responses
from api.routers import other_router
from jobs.errors import ErrorCode, RequestError
from storage.base import KeyInvalid, LinkExpired, LinkInvalid, ObjectNotFound, StoredObject
from storage.local.store import LocalStorage

router = other_router(prefix="/storage", tags=["results"])

_HEADERS = {"Cache-Control": "private", "X-Content-Type-Options": "nosniff"}
"""The signed URL admits whoever has it, so no cache that several people share may keep the file."""


class Download(FileResponse):
    """A file, a range of it, or 304 for who has it; an invalid range is a problem response.

    A range in another unit than bytes is ignored (RFC 9110, 14.2).
    """

    validators: Validators

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or that it has not changed, or what is wrong with the range."""
        if self.validators.known_to(Headers(scope=scope)):
            headers = _HEADERS | self.validators.headers
            await Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)(
                scope, receive, send
            )
            return
        kept = [pair for pair in scope["headers"] if not _other_unit(*pair)]
        await super().__call__({**scope, "headers": kept}, receive, send)

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        return parse_ranges(http_range, file_size)


def _other_unit(name: bytes, value: bytes) -> bool:
    """Whether this is a Range header in another unit than bytes."""
    return name == b"range" and not in_bytes(value.decode("latin-1"))


@router.head("/{key:path}", include_in_schema=False)
@router.get(
    "/{key:path}",
    response_class=FileResponse,
    responses=DOWNLOAD
    | problem_responses(
        {
            400: [ErrorCode.INVALID_INPUT],
            403: [ErrorCode.LINK_INVALID],
            404: [ErrorCode.NOT_FOUND],
            416: [ErrorCode.INVALID_INPUT],
            422: [ErrorCode.INVALID_INPUT],
        },
        FROM_PAGES,
    ),
)
async def get_object(
    key: str,
    context: ContextDep,
    expires: Annotated[int, Query(description="Unix time at which the URL expires.")],
    signature: Annotated[str, Query(max_length=128)],
    filename: Annotated[str, Query(max_length=200)],
) -> Download:
    """Download a result. Supports ranges, HEAD, and conditions by ETag and time."""
    if not isinstance(context.storage, LocalStorage):
        raise RequestError(ErrorCode.NOT_FOUND, "This server stores results in a bucket.")
    try:
        path = await context.storage_calls.run(
            context.storage.verify_link,
            key,
            expires=expires,
            filename=filename,
            signature=signature,
            now=datetime.now(UTC),
        )
        stored, found = await context.storage_calls.run(_stats, context.storage, key, path)
    except (LinkInvalid, LinkExpired, KeyInvalid) as error:
        detail = "This URL has expired or was altered. Get a new one from the job."
        raise RequestError(ErrorCode.LINK_INVALID, detail) from error
    except ObjectNotFound as error:
        raise RequestError(ErrorCode.NOT_FOUND, "The result no longer exists.") from error
    validators = Validators.of_object(stored)
    download = Download(
        path,
        stat_result=found,
        media_type=stored.content_type,
        filename=filename,
        headers=_HEADERS | validators.headers,
    )
    download.validators = validators
    return download


def _stats(storage: LocalStorage, key: str, path: Path) -> tuple[StoredObject, os.stat_result]:
    """The record of an object and the size and times of its file, which may be deleted meanwhile.

    Raises `ObjectNotFound`; Starlette would raise a `RuntimeError`.
    """
    stored = storage.stat(key)
    try:
        return stored, path.stat()
    except FileNotFoundError as error:
        raise ObjectNotFound(key) from error
