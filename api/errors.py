"""One table of errors to JSON: every answer that is not a success is a problem (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from jobs.errors import Code, Fault, Problem
from storage.base import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastapi import FastAPI, Request

    from storage.sniffing.media import MediaRejected

log = structlog.get_logger()

MAX_FAULTS = 20
MAX_NAME = 100
"""Of a field that the caller made up, shown in the answer."""

_WORDS = {
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "extra_forbidden": "there is no such field",
    "missing": "is required",
}
"""Where Pydantic would speak of Python."""

MEDIA_TYPE = "application/problem+json"

_BY_STATUS = {
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.BODY_TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
}


_DETAILS = {
    404: "There is nothing at this address: see /docs for those that there are.",
    405: "This address takes other methods: {allowed}.",
}


class FaultAnswer(BaseModel):
    """One thing wrong with a request."""

    pointer: str = Field(description="JSON pointer to the field.", examples=["/input/fps"])
    message: str = Field(description="What is wrong, and what to send instead.")


class ProblemAnswer(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(default="about:blank")
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    code: Code = Field(description="From a closed list: program against this.")
    detail: str = Field(description="What happened and what to do, for people.")
    retryable: bool = Field(description="Whether the same request may succeed later.")
    errors: list[FaultAnswer] = Field(default=[], description="Each field that is wrong.")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of these statuses; `api.openapi` names the media type."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "model": ProblemAnswer,
        }
        for status in statuses
    }


def render(problem: Problem) -> JSONResponse:
    """The answer that shows a problem."""
    answer = ProblemAnswer(
        title=problem.status.phrase,
        status=problem.status,
        code=problem.code,
        detail=problem.detail,
        retryable=problem.retryable,
        errors=[FaultAnswer(pointer=f.pointer, message=f.message) for f in problem.faults],
    )
    return JSONResponse(
        problem.extra | answer.model_dump(mode="json"),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def invalid_input(error: ValidationError, *prefix: str, value: Any = None) -> Problem:
    """A 422 that names each field which the schema refuses; `value` is what was refused."""
    faults = tuple(_faults(error.errors(include_url=False, include_input=False), prefix, value))
    return Problem(Code.INVALID_INPUT, _summary(faults), faults=faults)


def rejected_media(error: MediaRejected, field: str) -> Problem:
    """A 422 for a picture, clip or voice that cannot be used."""
    fault = Fault(f"/input/{field}", str(error))
    return Problem(Code.of(error.code), f"{field}: {error}.".replace("..", "."), faults=(fault,))


def pointer(*names: str) -> str:
    """A JSON pointer (RFC 6901); names that a caller made endless are cut."""
    return "".join("/" + name[:MAX_NAME].replace("~", "~0").replace("/", "~1") for name in names)


def _faults(errors: Iterable[Any], prefix: tuple[str, ...], value: Any = None) -> Iterable[Fault]:
    for error in islice(errors, MAX_FAULTS):
        loc = [part for part in error["loc"] if part != "[key]"]
        names = loc if value is None else _within(value, loc, missing=error["type"] == "missing")
        where = [*prefix, *map(str, names)]
        message = error["msg"].removeprefix("Value error, ")
        yield Fault(pointer(*where), _WORDS.get(error["type"], message))


def _within(value: Any, loc: Sequence[str | int], *, missing: bool) -> list[str | int]:
    """The names on the way into the value; Pydantic also names the choices of a union."""
    names: list[str | int] = []
    for part in loc:
        has = part in value if isinstance(value, dict) else False
        if isinstance(value, list) and isinstance(part, int):
            has = part < len(value)
        if has:
            names.append(part)
            value = value[part]
    return [*names, loc[-1]] if missing else names


def _summary(faults: tuple[Fault, ...]) -> str:
    return "; ".join(f"{fault.pointer or 'body'}: {fault.message}" for fault in faults[:5])


def install(app: FastAPI) -> None:
    """Make every error of this app a problem."""

    @app.exception_handler(Problem)
    def on_problem(_: Request, error: Problem) -> JSONResponse:
        return render(error)

    @app.exception_handler(RequestValidationError)
    def on_validation(_: Request, error: RequestValidationError) -> JSONResponse:
        faults = tuple(_faults(error.errors(), ()))
        return render(Problem(Code.INVALID_INPUT, _summary(faults), faults=faults))

    @app.exception_handler(HTTPException)
    def on_http(_: Request, error: HTTPException) -> JSONResponse:
        code = _BY_STATUS.get(error.status_code, Code.INVALID_INPUT)
        status, headers = HTTPStatus(error.status_code), dict(error.headers or {})
        detail = _DETAILS.get(status, str(error.detail)).format(allowed=headers.get("allow"))
        return render(Problem(code, detail, status, headers=headers))

    @app.exception_handler(ClientDisconnect)
    def on_hang_up(_: Request, __: ClientDisconnect) -> JSONResponse:
        detail = "The body ended before its time."
        return render(Problem(Code.INVALID_INPUT, detail, HTTPStatus.BAD_REQUEST))

    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeout)
    def on_database(_: Request, error: Exception) -> JSONResponse:
        log.warning("database unavailable", error=str(error))
        return render(_unavailable(Code.DATABASE_UNAVAILABLE, "The database does not answer."))

    @app.exception_handler(StorageError)
    def on_storage(_: Request, error: StorageError) -> JSONResponse:
        log.warning("storage failed", exc_info=error)
        return render(_unavailable(Code.STORAGE_UNAVAILABLE, "The object store does not answer."))

    @app.exception_handler(Exception)
    def on_bug(_: Request, error: Exception) -> JSONResponse:
        log.error("unexpected error", exc_info=error)
        detail = "The server met an error of its own; it is in the server's log."
        return render(Problem(Code.INTERNAL_ERROR, detail, HTTPStatus.INTERNAL_SERVER_ERROR))


def _unavailable(code: Code, detail: str) -> Problem:
    return Problem(
        code,
        f"{detail} Try again in a few seconds.",
        HTTPStatus.SERVICE_UNAVAILABLE,
        retryable=True,
        headers={"Retry-After": "5"},
    )
