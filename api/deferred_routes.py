"""Routes that many servers never use are imported by the first request that needs one of them.

All of them take 0.2 s of a start and 7 MB.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Match

from runtime.gc_paused import gc_paused

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.types import Receive, Scope, Send


class DeferredRoutes(BaseRoute):
    """The last route of a router that has only some of all routes yet.

    It matches what they do not serve: any other path or method, also those that do not exist, so
    that responses 404 and 405 always come from the complete table.
    """

    _importing = threading.Lock()

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._own = list(router.routes)  # FastAPI's: the OpenAPI document

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Every request."""
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Complete the router in a thread, while other requests go on; then let it route again."""
        await asyncio.to_thread(self.complete)
        await self._router(scope, receive, send)

    def complete(self) -> None:
        """Give the router all routes of the API in place of these."""
        with self._importing, gc_paused():
            from api.route_table import ROUTES

        self._router.routes = [*ROUTES, *self._own]
