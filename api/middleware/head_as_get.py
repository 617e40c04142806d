"""HEAD for every path that has GET: the same response without its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODILESS = "kinomill.bodiless"
"""True in the scope of a request whose response is sent without its body."""
ITS_OWN = "/storage/"
"""Paths whose route knows HEAD, so that no file is read for it."""


class HeadAsGet:
    """ASGI middleware that has HEAD answered by the routes of GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Forward the request; of a response to HEAD only status and headers are sent."""
        if (
            scope["type"] != "http"
            or scope["method"] != "HEAD"
            or scope["path"].startswith(ITS_OWN)
        ):
            return self._app(scope, receive, send)
        return self._without_body(scope, receive, send)

    async def _without_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        def send_without_body(message: Message) -> Awaitable[None]:
            return send({**message, "body": b""} if "body" in message else message)

        inner = {**scope, "method": "GET", BODILESS: True}
        try:
            await self._app(inner, receive, send_without_body)
        finally:
            scope["route"] = inner.get("route")
