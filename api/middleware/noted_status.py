"""The status of a response, for middleware that reports how a request ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import Message, Send


class NotedStatus:
    """A `send` that forwards all messages, and remembers the status of the response."""

    def __init__(self, send: Send, status: int) -> None:
        self._send = send
        self.status = status
        """Before a response: the status that is reported for a request without one."""

    def __call__(self, message: Message) -> Awaitable[None]:
        """Forward a message, without a coroutine of its own: several middleware note the status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        return self._send(message)
