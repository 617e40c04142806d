"""Logs each request in one line: no signature (in the query) and no token of a share is in it.

What else is known of a request is bound as context of its lines: its id, account, job and error.
"""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING, Final

import structlog

from api.middleware.noted_status import NotedStatus

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger()

_TOKEN: Final = re.compile(r"(?<=/shared/).+?(?=(?:/[a-z]+)?\Z)", re.DOTALL | re.IGNORECASE)
"""What follows `/shared/`, without a last word such as `result`; whole or altered, it is secret."""


class AccessLog:
    """ASGI middleware that logs method, path, status and seconds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, then log its status and duration."""
        if scope["type"] != "http" or not logging.getLogger().isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        started, noted = time.perf_counter(), NotedStatus(send, 500)  # if the app raises

        try:
            await self._app(scope, receive, noted)
        finally:
            log.info(
                "request",
                method=scope["method"],
                path=loggable(scope["path"]),
                status=int(noted.status),
                seconds=round(time.perf_counter() - started, 4),
            )


def loggable(path: str) -> str:
    """A path without the token of a share; one with control characters is escaped.

    `%1b` in a path would otherwise steer the terminal of whoever reads the log.
    """
    shown = _TOKEN.sub("{token}", path, count=1)
    return shown if shown.isprintable() else ascii(shown)
