"""Problem responses (RFC 9457): one shape for every response that is not a success."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, TypeAlias

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from structlog.contextvars import bind_contextvars, get_contextvars

from api.errors.statuses import status_of
from jobs.errors import ErrorCode, FieldError, RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from http import HTTPStatus

    from jobs.quota_state import QuotaState

MEDIA_TYPE = "application/problem+json"

DOCS_PATH = "/docs/errors"
"""The page that explains each code, under an anchor of its name."""


@dataclass
class Problem(RequestError):
    """A `RequestError` with what only HTTP knows."""

    status: HTTPStatus | None = None
    """None: the usual status of its code."""
    headers: dict[str, str] = field(default_factory=dict)
    """Response headers."""
    model_code: str | None = None
    """The code of a failed job, which may be one that its model declares."""


class ProblemResponse(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(
        description="Where this code is explained.", examples=["/docs/errors#invalid_input"]
    )
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    code: ErrorCode = Field(description="From a closed list; programs should rely on this one.")
    detail: str = Field(description="What happened and what to do, for people.")
    retryable: bool = Field(description="Whether the same request may succeed later.")
    errors: list[FieldError] = Field(default=[], description="Each field that is wrong.")
    request_id: str | None = Field(
        default=None,
        description="The header `X-Request-Id` of this response; the log of the server has it.",
    )
    trace_id: str | None = Field(
        default=None,
        description="The trace of the request, if the server sends traces and this one is sampled.",
    )


Codes: TypeAlias = "Mapping[int, Sequence[ErrorCode]]"
"""Error codes by the HTTP status with which a route responds."""

FROM_PAGES: Codes = {403: [ErrorCode.ORIGIN_NOT_ALLOWED], 421: [ErrorCode.HOST_NOT_ALLOWED]}
"""Of every route while no keys are required, beside the health checks."""
EVERYWHERE: Codes = {
    400: [ErrorCode.INVALID_INPUT],
    408: [ErrorCode.REQUEST_TIMEOUT],
    431: [ErrorCode.HEADERS_TOO_LARGE],
}
"""Of every route: a request that is no HTTP, repeats a header, or arrives too slowly."""
AUTHENTICATED: Codes = {
    401: [ErrorCode.UNAUTHORIZED],
    403: [ErrorCode.INSUFFICIENT_SCOPE, *FROM_PAGES[403]],
    421: FROM_PAGES[421],
    422: [ErrorCode.INVALID_INPUT],
}
"""Of every route that requires a key with a scope; they also refuse unknown query parameters."""
JSON_BODY: Codes = {
    400: [ErrorCode.INVALID_JSON, ErrorCode.INVALID_INPUT],
    408: [ErrorCode.REQUEST_TIMEOUT],
    413: [ErrorCode.BODY_TOO_LARGE],
    415: [ErrorCode.UNSUPPORTED_MEDIA_TYPE],
}
"""Of every route with a body in JSON."""
WITH_DATABASE: Codes = {503: [ErrorCode.DATABASE_UNAVAILABLE]}
"""Of every route that uses the database."""


STORAGE: Codes = {
    503: [ErrorCode.STORAGE_UNAVAILABLE, ErrorCode.SERVER_DISK_UNWRITABLE],
    507: [ErrorCode.STORAGE_FULL, ErrorCode.SERVER_DISK_FULL],
}
"""Of every route that writes to object storage."""


_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemResponse.__name__}"}}}


def problem_responses(*codes: Codes) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for these codes; `api.openapi` corrects their media type."""
    merged: dict[int, list[ErrorCode]] = {}
    for each in codes:
        for status, found in each.items():
            merged.setdefault(status, []).extend(found)
    return {
        status: {"description": _codes_text(list(dict.fromkeys(found))), "model": ProblemResponse}
        for status, found in sorted(merged.items())
    }


def add_codes(responses: dict[str, Any], codes: Codes) -> None:
    """Add further codes to the responses of an operation in the OpenAPI document."""
    for status, found in codes.items():
        response = responses.setdefault(str(status), {"description": "", "content": _CONTENT})
        known = response["description"]
        new = [code for code in found if f"`{code}`:" not in known]
        response["description"] = "; ".join(filter(None, [known, _codes_text(new)]))


def _codes_text(codes: Sequence[ErrorCode]) -> str:
    return "; ".join(f"`{code}`: {code.meaning}" for code in codes)


def render(
    error: RequestError,
    root_path: str = "",
    *,
    request_id: str | None = None,
    more: Mapping[str, str | None] | None = None,
) -> JSONResponse:
    """The HTTP response for an error of an API whose paths begin with `root_path`.

    The id of the request is that of the task, if `request_id` is not given; `more` are members for
    other clients than ours.
    """
    status = getattr(error, "status", None) or status_of(error.code)
    model_code = getattr(error, "model_code", None)
    given = get_contextvars()
    body = ProblemResponse(
        type=f"{root_path}{DOCS_PATH}#{model_code or error.code}",
        title=status.phrase,
        status=status,
        code=error.code,
        detail=error.detail,
        retryable=error.retryable,
        errors=list(error.errors),
        request_id=request_id or given.get("request_id"),
        trace_id=given.get("trace_id"),
    )
    own = {} if model_code is None else {"code": model_code}
    bind_contextvars(code=str(model_code or error.code))
    left_out = {"trace_id"} if body.trace_id is None else None
    return JSONResponse(
        error.extra | dict(more or {}) | body.model_dump(mode="json", exclude=left_out) | own,
        status_code=status,
        headers=_headers(error),
        media_type=MEDIA_TYPE,
    )


def _headers(error: RequestError) -> dict[str, str]:
    headers = dict(error.headers) if isinstance(error, Problem) else {}
    if error.retry_after is not None:
        headers["Retry-After"] = f"{ceil(error.retry_after.total_seconds())}"
    return headers | quota_headers(error.quotas)


def quota_headers(quotas: Sequence[QuotaState]) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers) for quotas.

    None where an account has no quota of requests.
    """
    if not quotas:
        return {}
    policies = [f'"{one.name}";q={one.limit};w={one.window_seconds}' for one in quotas]
    states = [f'"{one.name}";r={one.left};t={ceil(one.reset_seconds)}' for one in quotas]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}
