"""Exception handlers: every error of the app becomes a problem response."""

from __future__ import annotations

import json
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import psycopg
import structlog
from fastapi.exceptions import RequestValidationError
from psycopg import errors as postgres_errors
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from api.errors.problems import Problem, render
from api.errors.unsupported import explain
from api.errors.validation import refused_request
from jobs.errors import ErrorCode, RequestError
from runtime.files import ScratchUnwritable, is_full
from storage.base import StorageError, StorageFull

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse, Response

log = structlog.get_logger()

INTERNAL_DETAIL = "Internal server error; see the server log."
MISSING = (
    postgres_errors.UndefinedTable,
    postgres_errors.UndefinedColumn,
    postgres_errors.UndefinedFunction,
)
"""What PostgreSQL says of a database without the newest migrations."""
UNAVAILABLE_RETRY = timedelta(seconds=5)
"""When to send a request again that a database or storage outage refused."""
FULL_RETRY = timedelta(seconds=60)
"""When to send a request again that a full disk refused: somebody has to free space first."""

_CODES = {
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.BODY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
}
"""Codes of the errors that Starlette and FastAPI raise."""

_DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this path; /docs lists all paths.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path only allows the methods {allowed}.",
}


def install(app: FastAPI) -> None:
    """Register all handlers on an app."""

    @app.exception_handler(RequestError)
    async def on_request_error(request: Request, error: RequestError) -> JSONResponse:
        return _render(request, error)

    @app.exception_handler(RequestValidationError)
    async def on_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        return _render(request, refused_request(error))

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> Response:
        answer = _render(request, _problem_of(error, request))
        if error.status_code != HTTPStatus.NOT_FOUND or not _wants_a_page(request):
            return answer
        from api.page.refusals import refused_page  # templates load with the first page

        return refused_page(request, answer.status_code, json.loads(bytes(answer.body)))

    @app.exception_handler(ClientDisconnect)
    async def on_client_disconnect(request: Request, __: ClientDisconnect) -> JSONResponse:
        detail = "The connection was closed before the whole body arrived."
        return _render(
            request, Problem(ErrorCode.INVALID_INPUT, detail, status=HTTPStatus.BAD_REQUEST)
        )

    @app.exception_handler(Exception)
    async def on_unexpected_error(request: Request, error: Exception) -> JSONResponse:
        return _render(request, _unexpected(error))

    _install_outages(app)


def _wants_a_page(request: Request) -> bool:
    """Whether a browser asks for a page, as far as the API is not meant."""
    path = _own_path(request)
    browses = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    return browses and not path.startswith("/v1/")


def _own_path(request: Request) -> str:
    """The path of a request as the routes of this app name it."""
    return request.url.path.removeprefix(request.scope.get("root_path", ""))


def _install_outages(app: FastAPI) -> None:
    """Register the handlers for what the operator has to mend."""

    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeout)
    @app.exception_handler(psycopg.OperationalError)
    @app.exception_handler(ProgrammingError)
    @app.exception_handler(psycopg.ProgrammingError)
    async def on_database_error(request: Request, error: Exception) -> JSONResponse:
        return _render(request, _of_database(error))

    @app.exception_handler(StorageError)
    async def on_storage_error(request: Request, error: StorageError) -> JSONResponse:
        log.warning("object storage unavailable", error=f"{type(error).__name__}: {error}")
        return _render(request, _storage_problem(error))

    @app.exception_handler(OSError)
    async def on_os_error(request: Request, error: OSError) -> JSONResponse:
        if isinstance(error, ScratchUnwritable):
            return _render(request, _unwritable(error))
        if isinstance(error, TimeoutError):  # no thread was free in time
            log.warning("server too busy", path=request.url.path)
            return _render(request, _busy())
        if not is_full(error):
            return _render(request, _unexpected(error))
        log.error("disk full", error=str(error))
        detail = (
            "The disk of the API for temporary files is full: the operator has to free space in "
            "the folder KINOMILL_SCRATCH of the API. Then send the request again."
        )
        return _render(request, _full(ErrorCode.SERVER_DISK_FULL, detail))


def _of_database(error: Exception) -> Problem:
    """The problem of a database that is down or has the wrong schema, or of a fault of ours."""
    cause = error.orig if isinstance(error, ProgrammingError) else error
    if not isinstance(cause, psycopg.ProgrammingError):
        log.warning("database unavailable", error=str(error))
        return _unavailable(ErrorCode.DATABASE_UNAVAILABLE, "The database")
    if isinstance(cause, postgres_errors.InsufficientPrivilege):
        log.error("the database refuses its user", error=str(cause).splitlines()[0])
        detail = "The database refuses its user: its operator finds the reason in the server log."
        return Problem(ErrorCode.DATABASE_UNAVAILABLE, detail)
    if not isinstance(cause, MISSING):
        log.error("unexpected error", exc_info=error)
        return Problem(ErrorCode.INTERNAL_ERROR, INTERNAL_DETAIL)
    log.error("the database does not fit this release", error=str(cause).splitlines()[0])
    detail = "The database does not fit this release: its operator has to run `kinomill migrate`."
    code = ErrorCode.DATABASE_UNAVAILABLE
    return Problem(code, detail, retryable=True, retry_after=UNAVAILABLE_RETRY)


def _render(request: Request, error: RequestError) -> JSONResponse:
    root_path = request.scope.get("root_path", "")
    if "x-stainless-lang" not in request.headers:
        return render(error, root_path)
    return render(error, root_path, more=_for_openai(error))


def _for_openai(error: RequestError) -> dict[str, str | None]:
    """What OpenAI's clients print: without a `message` their error is but a number."""
    field = error.errors[0].pointer.strip("/") if error.errors else None
    return {"message": error.detail, "param": field}


def _unexpected(error: Exception) -> Problem:
    log.error("unexpected error", exc_info=error)
    return Problem(ErrorCode.INTERNAL_ERROR, INTERNAL_DETAIL)


def _problem_of(error: HTTPException, request: Request) -> Problem:
    status, headers = HTTPStatus(error.status_code), dict(error.headers or {})
    code = _CODES.get(status, ErrorCode.INVALID_INPUT)
    lacking = explain(_own_path(request)) if status == HTTPStatus.NOT_FOUND else None
    if lacking is not None:
        return Problem(ErrorCode.NOT_SUPPORTED, lacking, status=status)
    if status == HTTPStatus.BAD_REQUEST and error.__cause__ is not None:  # FastAPI's: not UTF-8
        return Problem(ErrorCode.INVALID_JSON, "The body is not JSON in UTF-8.", status=status)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(_allowed_methods(request))}
    detail = _DETAILS.get(status, str(error.detail)).format(allowed=headers.get("Allow"))
    return Problem(code, detail, status=status, headers=headers)


def _allowed_methods(request: Request) -> list[str]:
    """The methods of all routes of a path; Starlette names those of the first one only."""
    found = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        for scope in [{**request.scope, "method": method}]
        if any(route.matches(scope)[0] == Match.FULL for route in request.app.routes)
    ]
    return [*found[:1], "HEAD", *found[1:]] if "GET" in found else found


def _storage_problem(error: StorageError) -> Problem:
    """What a caller may know: who has to act, and whether to try again."""
    if isinstance(error, StorageFull):
        detail = (
            "Object storage is full: the operator has to free space or enlarge it. Then send the "
            "request again."
        )
        return _full(ErrorCode.STORAGE_FULL, detail)
    if error.retryable:
        return _unavailable(ErrorCode.STORAGE_UNAVAILABLE, "Object storage")
    detail = (
        "Object storage refused an operation. The operator finds the reason in the log of the API "
        "and with `kinomill doctor`."
    )
    return Problem(ErrorCode.STORAGE_UNAVAILABLE, detail)


def _unwritable(error: ScratchUnwritable) -> Problem:
    log.error("scratch folder unwritable", error=str(error))
    detail = (
        f"The API cannot write temporary files ({error}): the operator has to give it a folder "
        "that it may write, KINOMILL_SCRATCH. Meanwhile send URLs instead of files."
    )
    code = ErrorCode.SERVER_DISK_UNWRITABLE
    return Problem(code, detail, retryable=True, retry_after=FULL_RETRY)


def _busy() -> Problem:
    detail = (
        "The server has more to read and check than it can in time. Try again in a few seconds."
    )
    code = ErrorCode.TOO_MANY_UPLOADS
    return Problem(code, detail, retryable=True, retry_after=UNAVAILABLE_RETRY)


def _full(code: ErrorCode, detail: str) -> Problem:
    return Problem(code, detail, retryable=True, retry_after=FULL_RETRY)


def _unavailable(code: ErrorCode, what: str) -> Problem:
    detail = f"{what} does not respond. Try again in a few seconds."
    return Problem(code, detail, retryable=True, retry_after=UNAVAILABLE_RETRY)
