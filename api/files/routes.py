"""Upload files once, and name them in any number of jobs: create, list, read, delete."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api.bodies.staging import Staging
from api.context.app_context import AppContext
from api.context.deps import ContextDep, ReaderDep, SubmitterDep
from api.errors.problems import AUTHENTICATED, STORAGE, WITH_DATABASE, Problem, problem_responses
from api.errors.validation import invalid_cursor
from api.files import direct
from api.files.direct import NewUpload
from api.files.received import (
    MAX_METADATA,
    Purpose,
    check_received,
    chosen_name,
    chosen_ttl,
    parse_metadata,
    split_form,
)
from api.files.responses import DeletedFile, File, FilePage, OpenAIFile
from api.jobs.request_body import is_json, read_form_body, unsupported
from api.jobs.routes import delete_unneeded
from api.results.routes import signed_url
from api.routers import contract_router
from jobs.errors import ErrorCode, FieldError, RequestError
from jobs.files import uploads
from jobs.files.uploads import Cursor, Listing, NewFile
from jobs.ids import input_key, is_id
from jobs.tables import UploadedFile
from storage.direct import UploadState

router = contract_router(prefix="/v1/files", tags=["files"])

PAGE_SIZE = 200
"""Files in a page at most."""
FileId = Annotated[str, Path(max_length=100, description="Id of a file: `file_…`.")]

_FOUND = {404: [ErrorCode.FILE_NOT_FOUND]}
_UPLOAD_CODES = {
    400: [ErrorCode.INVALID_INPUT, ErrorCode.INVALID_JSON],
    408: [ErrorCode.REQUEST_TIMEOUT],
    413: [ErrorCode.BODY_TOO_LARGE, ErrorCode.FILE_QUOTA],
    415: [ErrorCode.UNSUPPORTED_MEDIA_TYPE],
    422: [
        ErrorCode.INVALID_INPUT,
        ErrorCode.INPUT_TOO_LARGE,
        ErrorCode.UNSUPPORTED_MEDIA,
        ErrorCode.MEDIA_UNREADABLE,
        ErrorCode.TOO_LARGE,
        ErrorCode.TOO_SMALL,
    ],
    503: [ErrorCode.TOO_MANY_UPLOADS],
}
_FORM = {
    "title": "FileForm",
    "description": "`file` or `content` is required, not both.",
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "The file."},
        "content": {"type": "string", "format": "binary", "description": "The same."},
        "filename": {"type": "string", "maxLength": 200},
        "ttl_seconds": {"type": "integer", "minimum": 60},
        "purpose": {
            "type": "string",
            "minLength": 1,
            "maxLength": 100,
            "description": "Kept and shown, and one may list by it.",
        },
        "metadata": {
            "type": "string",
            "maxLength": MAX_METADATA,
            "description": "A JSON object, kept and shown.",
        },
        "type": {"type": "string", "maxLength": 200, "description": "Changes nothing."},
        "expires_after[seconds]": {
            "type": "integer",
            "minimum": 60,
            "description": "The same as `ttl_seconds`, for clients of OpenAI.",
        },
        "expires_after[anchor]": {"const": "created_at"},
    },
}


class FileListQuery(BaseModel):
    """A page of a list of files."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(default=None, max_length=200, description="`next_cursor`.")
    limit: int = Field(default=50, ge=1, le=10_000, description="Files per page; at most 200 come.")
    after: str | None = Field(
        default=None, max_length=100, description="The last id of the page before, as in OpenAI's."
    )
    order: Literal["asc", "desc"] = Field(default="desc", description="By time of creation.")
    purpose: Purpose | None = Field(
        default=None, description="Only files for this; `user_data` are all that say nothing."
    )
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="Only files of this content."
    )


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=File,
    responses=problem_responses(AUTHENTICATED, _UPLOAD_CODES, STORAGE, WITH_DATABASE),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": _FORM},
                "application/json": {"schema": NewUpload.model_json_schema()},
            },
        }
    },
)
async def upload_file(request: Request, account: SubmitterDep, context: ContextDep) -> Response:
    """Upload a file. Its id is the value of a media input, in any number of jobs.

    With JSON, only begin the upload of a large file: the response says where to PUT its bytes.
    """
    if is_json(request):
        begun = await direct.begin(await direct.read_new_upload(request), account, context)
        return _for_caller(request, begun, HTTPStatus.CREATED)
    async with Staging(context, account) as staging:
        form = await read_form_body(request, staging)
        if form is None:
            raise unsupported("Send multipart/form-data with the file, or JSON to begin an upload.")
        fields, file = split_form(form)
        details = parse_metadata(fields.metadata)
        ttl = chosen_ttl(fields.ttl_seconds, context.settings.file_ttl)
        found = await context.storage_calls.run(check_received, file)
        staging.files["file"] = file
        await context.storage_calls.run(staging.store)
        new = NewFile(
            id=file.id,
            account=account,
            filename=chosen_name(fields.filename, file.filename),
            size_bytes=file.size_bytes,
            ttl=ttl,
            content_type=found.mime,
            sha256=file.upload.sha256 if file.upload else None,
            purpose=fields.purpose,
            details=details,
        )
        return _for_caller(request, await _recorded(new, staging), HTTPStatus.CREATED)


def _for_caller(request: Request, file: File, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """A file in the shape that the caller reads; see `OpenAIFile`."""
    theirs = "x-stainless-lang" in request.headers
    body = (OpenAIFile.of(file) if theirs else file).model_dump_json()
    return Response(body, status, {"Vary": "X-Stainless-Lang"}, media_type="application/json")


async def _recorded(new: NewFile, staging: Staging) -> File:
    """Record a stored file. A refused one is deleted; after an outage its row may exist."""
    context = staging.context
    try:
        return await context.database_calls.run(_record, new, context)
    except RequestError:
        await context.storage_calls.run(staging.discard)
        raise


def _record(session: Session, new: NewFile, context: AppContext) -> File:
    limit = context.settings.max_file_bytes_per_account
    return _response(uploads.record(session, new, max_bytes=limit), context)


@router.get(
    "",
    responses=problem_responses(
        AUTHENTICATED, {422: [ErrorCode.INVALID_INPUT, ErrorCode.INVALID_CURSOR]}, WITH_DATABASE
    ),
)
async def list_files(
    account: ReaderDep, context: ContextDep, query: Annotated[FileListQuery, Query()]
) -> FilePage:
    """List your files, newest first or oldest first."""
    return await context.database_calls.run(_page, account, context, query)


def _page(session: Session, account: str, context: AppContext, query: FileListQuery) -> FilePage:
    size = min(query.limit, PAGE_SIZE)
    listing = Listing(
        limit=size + 1,
        start=_start(session, account, query),
        oldest_first=query.order == "asc",
        sha256=query.sha256,
        purpose=query.purpose,
    )
    rows = uploads.page(session, account, listing)
    shown = rows[:size]
    files = [_response(row, context) for row in shown]
    return FilePage.of(files, _encode_cursor(shown[-1]) if len(rows) > size else None)


def _start(session: Session, account: str, query: FileListQuery) -> Cursor | None:
    """Where a page begins. Raises `RequestError` (invalid_cursor)."""
    if query.cursor is not None:
        return _decode_cursor(query.cursor)
    if query.after is None:
        return None
    try:
        last = uploads.find(session, account, query.after)
    except RequestError as error:
        wrong = FieldError("/query/after", error.detail)
        raise RequestError(ErrorCode.INVALID_CURSOR, error.detail, errors=(wrong,)) from error
    return Cursor(last.created_at, last.id)


@router.get(
    "/{file_id}",
    response_model=File,
    responses=problem_responses(AUTHENTICATED, _FOUND, WITH_DATABASE),
)
async def find_file(
    file_id: FileId, account: ReaderDep, context: ContextDep, request: Request
) -> Response:
    """Get a file: its name, size, type, checksum and when it expires."""
    with missing_as_404():
        file = await context.database_calls.run(_find, account, file_id, context)
    return _for_caller(request, file)


@contextmanager
def missing_as_404() -> Iterator[None]:
    """Answer 404 for a file that is missing by its path; as an input of a job it is a 422."""
    try:
        yield
    except RequestError as error:
        if error.code != ErrorCode.FILE_NOT_FOUND:
            raise
        raise Problem(error.code, error.detail, status=HTTPStatus.NOT_FOUND) from error


def _find(session: Session, account: str, file_id: str, context: AppContext) -> File:
    return _response(uploads.find(session, account, file_id), context)


@router.get(
    "/{file_id}/content",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    responses=problem_responses(
        AUTHENTICATED,
        _FOUND,
        {409: [ErrorCode.FILE_NOT_READY], 503: [ErrorCode.STORAGE_UNAVAILABLE]},
        WITH_DATABASE,
    ),
)
async def download_file(file_id: FileId, account: ReaderDep, context: ContextDep) -> Any:
    """Redirect to a signed download URL of a file, valid for one hour."""
    with missing_as_404():
        file = await context.database_calls.run(_find, account, file_id, context)
    if file.status != "ready":
        raise RequestError(ErrorCode.FILE_NOT_READY, "The bytes of the file have not all arrived.")
    return await signed_url(context, input_key(file.id), filename=file.filename)


_CONTINUE_CODES = {
    409: [ErrorCode.FILE_NOT_READY],
    503: [ErrorCode.STORAGE_UNAVAILABLE],
}


@router.get(
    "/{file_id}/upload",
    responses=problem_responses(AUTHENTICATED, _FOUND, _CONTINUE_CODES, WITH_DATABASE),
)
async def continue_upload(file_id: FileId, account: SubmitterDep, context: ContextDep) -> File:
    """Continue an upload: with new links, and the parts that have arrived.

    Without `upload` in the response, the file is complete.
    """
    with missing_as_404():
        file, state = await context.database_calls.run(_unfinished, account, file_id, context)
    return file if state is None else await direct.with_upload(file, state, context)


@router.post(
    "/{file_id}/complete",
    responses=problem_responses(
        AUTHENTICATED,
        _FOUND,
        {
            409: [ErrorCode.FILE_NOT_READY],
            422: [*_UPLOAD_CODES[422], ErrorCode.FILE_MISMATCH],
        },
        STORAGE,
        WITH_DATABASE,
    ),
)
async def complete_upload(file_id: FileId, account: SubmitterDep, context: ContextDep) -> File:
    """Complete an upload: its bytes are read, compared with what was announced, and checked.

    The same response as before for a file that is complete.
    """
    with missing_as_404():
        file, state = await context.database_calls.run(_unfinished, account, file_id, context)
        return file if state is None else await direct.complete(file, state, account, context)


def _unfinished(
    session: Session, account: str, file_id: str, context: AppContext
) -> tuple[File, UploadState | None]:
    row = uploads.find(session, account, file_id)
    return _response(row, context), row.upload


@router.delete(
    "/{file_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_model=None,
    responses={
        HTTPStatus.OK: {
            "description": "The same, for a request that accepts JSON",
            "model": DeletedFile,
        },
        **problem_responses(AUTHENTICATED, _FOUND, {409: [ErrorCode.FILE_IN_USE]}, WITH_DATABASE),
    },
)
async def delete_file(
    file_id: FileId, account: SubmitterDep, context: ContextDep, request: Request
) -> Response:
    """Delete a file that no queued or running job needs.

    Its bytes stay while a job that has ended and names it is kept, and are deleted with that job.
    """
    with missing_as_404():
        _, state = await context.database_calls.run(_unfinished, account, file_id, context)
        keys = await context.database_calls.run(uploads.delete, account, file_id)
    await delete_unneeded(context, keys)
    if state is not None:
        await direct.drop(context, file_id, state)
    if "application/json" in request.headers.get("accept", ""):
        body = DeletedFile(id=file_id).model_dump_json()
        return Response(body, media_type="application/json")
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _response(row: UploadedFile, context: AppContext) -> File:
    return File.of(row, context.settings.public_url)


def _encode_cursor(row: UploadedFile) -> str:
    text = f"{row.created_at.isoformat()} {row.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> Cursor:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
        created_at, _, file_id = text.partition(" ")
        decoded = Cursor(datetime.fromisoformat(created_at), file_id)
        if is_id(file_id, "file") and decoded.created_at.tzinfo is not None:
            return decoded
    except ValueError:
        pass
    raise invalid_cursor()
