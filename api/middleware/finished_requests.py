"""Tells what became of each request: in one line of the log, and to the metrics if they are on.

No signature (in the query) and no token of a share is in a line. What else is known of a request is
bound as context of its lines: its id, account, job and error.
"""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from api.middleware.noted_status import NotedStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger()

_TOKEN: Final = re.compile(r"(?<=/shared/).+?(?=(?:/[a-z]+)?\Z)", re.DOTALL | re.IGNORECASE)
"""What follows `/shared/`, without a last word such as `result`; whole or altered, it is secret."""


class Figures(Protocol):
    """Counts requests; `api.metrics.requests`, which is imported only if metrics are on."""

    active: int

    def end(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that was active, and has ended."""


class FinishedRequests:
    """ASGI middleware around all others that notes the status and the time of each request."""

    def __init__(self, app: ASGIApp, figures: Figures | None = None) -> None:
        self._app = app
        self._figures = figures

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Forward the request, then log and count it."""
        logged = logging.getLogger().isEnabledFor(logging.INFO)
        if scope["type"] != "http" or not (logged or self._figures is not None):
            return self._app(scope, receive, send)
        return self._followed(scope, receive, NotedStatus(send, 500), logged=logged)

    async def _followed(
        self, scope: Scope, receive: Receive, noted: NotedStatus, *, logged: bool
    ) -> None:
        """`noted` begins with the status of a request whose app raises."""
        figures, began = self._figures, time.perf_counter()
        if figures is not None:
            figures.active += 1

        try:
            await self._app(scope, receive, noted)
        finally:
            seconds = time.perf_counter() - began
            if figures is not None:
                figures.end(scope, noted.status, seconds)
            if logged:
                log.info(
                    "request",
                    method=scope["method"],
                    path=loggable(scope["path"]),
                    status=int(noted.status),
                    seconds=round(seconds, 4),
                )


def loggable(path: str) -> str:
    """A path without the token of a share; one with control characters is escaped.

    `%1b` in a path would otherwise steer the terminal of whoever reads the log.
    """
    shown = _TOKEN.sub("{token}", path, count=1)
    return shown if shown.isprintable() else ascii(shown)
