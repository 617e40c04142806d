"""Limits the size of request bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware that rejects bodies over the limit, unread if Content-Length says so.

    FastAPI's own limit would respond in plain text instead of a problem.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Forward the request, counting the bytes of its body."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        declared, received = content_length(scope), 0

        async def receive_and_count() -> Message:
            nonlocal received
            if declared > self._limit_bytes:
                raise self._too_large()
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise self._too_large()
            return message

        return self._app(scope, receive_and_count, send)

    def _too_large(self) -> RequestError:
        detail = (
            f"The body exceeds {self._limit_bytes:,} bytes. Send smaller media, or send URLs of "
            "them."
        )
        return RequestError(ErrorCode.BODY_TOO_LARGE, detail)


def content_length(scope: Scope) -> int:
    """The Content-Length of a request, 0 without a valid one."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0
