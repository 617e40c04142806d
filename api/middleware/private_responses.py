"""Keeps answers of the contract out of caches that several people share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATHS: Final = "/v1/"
_NAME: Final = b"cache-control"
_HEADER: Final = (_NAME, b"private, no-store")


class PrivateResponses:
    """ASGI middleware that forbids storing an answer whose route says nothing of caches.

    With a session the cookie takes the place of `Authorization`, which alone would keep an answer
    out of shared caches; and a 404, 405 or 410 may be stored by default.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Forward the request; add the header unless there is one."""
        if scope["type"] != "http" or not scope["path"].startswith(_PATHS):
            return self._app(scope, receive, send)

        def send_private(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start" and not any(
                name == _NAME for name, _ in message["headers"]
            ):
                message = {**message, "headers": [*message["headers"], _HEADER]}
            return send(message)

        return self._app(scope, receive, send_private)
