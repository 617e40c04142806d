"""The id of each request: taken from the caller or made here, and named wherever the request is."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

from structlog.contextvars import bind_contextvars

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER: Final = "X-Request-Id"
_NAME: Final = b"x-request-id"
_FORM: Final = re.compile(rb"[A-Za-z0-9._:/+=@~-]{1,128}")
"""What is safe in a header, in a log and in a URL."""


class RequestId:
    """ASGI middleware: each response has the id, and so have log lines and problems.

    An id of another form is replaced, not cut: a part of it would be found nowhere else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request with its id in the context of its task."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given(scope) or new_id()
        bind_contextvars(request_id=request_id)
        header = (_NAME, request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], header]}
            await send(message)

        await self._app(scope, receive, send_with_id)


def new_id() -> str:
    """An id for a request that has none."""
    return secrets.token_hex(16)


def _given(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _NAME:
            return value.decode() if _FORM.fullmatch(value) else None
    return None
