"""Refuses requests that give a header twice of which only one can count.

A proxy that reads the first `Authorization` and a server that reads the last one disagree on who
calls; the same holds for the key of a submission, the type of a body, and the name of the host.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from api.errors.problems import Problem, render
from api.errors.validation import json_pointer
from jobs.errors import ErrorCode, FieldError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Receive, Scope, Send

SINGLE: Final = {
    name.lower().encode(): name
    for name in (
        "Authorization", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type",
        "Host", "Idempotency-Key", "Last-Event-ID", "Origin", "Range", "Sec-Fetch-Site",
        "X-Stainless-Retry-Count",
    )
}  # fmt: skip
"""Headers that decide something here and are no lists; `Prefer` and `If-None-Match` are lists."""


class SingleHeaders:
    """ASGI middleware that answers 400 to a request with one of `SINGLE` repeated."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Forward the request, or refuse it before its body is read."""
        if scope["type"] == "http":
            names = [name for name, _ in scope["headers"]]
            if len(names) > len(set(names)):  # usually not: 1 us
                repeated = [name for name in SINGLE if names.count(name) > 1]
                if repeated:
                    response = render(_repeated(repeated), scope.get("root_path", ""))
                    return response(scope, receive, send)
        return self._app(scope, receive, send)


def _repeated(names: list[bytes]) -> Problem:
    shown = [SINGLE[name] for name in names]
    detail = f"The request has several headers {', '.join(shown)}. Send one of each."
    errors = tuple(
        FieldError(json_pointer("header", name), "is given more than once: send one")
        for name in shown
    )
    return Problem(ErrorCode.INVALID_INPUT, detail, errors=errors, status=HTTPStatus.BAD_REQUEST)
