"""No request sends more than the operator allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware: a body over the limit is refused, unread if it says how long it is.

    FastAPI's own limit answers in plain text.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count what is read of its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared, received = declared_bytes(scope), 0

        async def counted() -> Message:
            nonlocal received
            if declared > self._limit_bytes:
                raise self._too_large()
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise self._too_large()
            return message

        await self._app(scope, counted, send)

    def _too_large(self) -> RequestError:
        detail = (
            f"The body is over {self._limit_bytes:,} bytes: send smaller media, or put them "
            "where a URL leads to them."
        )
        return RequestError(ErrorCode.BODY_TOO_LARGE, detail)


def declared_bytes(scope: Scope) -> int:
    """The Content-Length of a request, 0 if it has none."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0
