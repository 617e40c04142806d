"""Serves the API: opens the port and answers `/livez` at once, while the app is still imported.

The import takes most of a second. Other requests wait for it instead of being refused.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import TYPE_CHECKING

import uvicorn

from runtime.gc_paused import gc_paused

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send


def serve(build: Callable[[], FastAPI], *, host: str, port: int) -> None:
    """Serve the app that `build` returns, until SIGTERM or SIGINT.

    `build` runs in a thread; serving ends with whatever it raises. Exits with status 1 if the
    port cannot be opened.
    """
    app = DeferredApp(build, on_failure=lambda: setattr(server, "should_exit", True))
    config = uvicorn.Config(
        app, host=host, port=port, ws="none", lifespan="on", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    server.run()
    if app.failure is not None:
        raise app.failure
    if not server.started:
        sys.exit(1)


class DeferredApp:
    """ASGI app in front of another one that is built in the background."""

    def __init__(self, build: Callable[[], FastAPI], on_failure: Callable[[], None]) -> None:
        self.failure: Exception | None = None
        """What `build` raised; set before `on_failure` is called."""
        self._build_app = build
        self._on_failure = on_failure
        self._app: FastAPI | None = None
        self._build_done = asyncio.Event()
        self._lifespan = AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `/livez`; forward everything else once the app is built."""
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        if self._app is None and scope["path"] == "/livez":
            await _respond(send, HTTPStatus.OK, b'{"status":"ok"}')
            return
        await self._build_done.wait()
        if self._app is None:
            await _respond(send, HTTPStatus.SERVICE_UNAVAILABLE, b'{"status":"unavailable"}')
            return
        await self._app(scope, receive, send)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        building = asyncio.create_task(self._build())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await building
        await self._lifespan.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _build(self) -> None:
        try:
            with gc_paused(freeze=True):
                app = await asyncio.to_thread(self._build_app)
                await self._lifespan.enter_async_context(app.router.lifespan_context(app))
            self._app = app
        except Exception as failure:  # noqa: BLE001 - `serve` raises it
            self.failure = failure
            self._on_failure()
        finally:
            self._build_done.set()


async def _respond(send: Send, status: HTTPStatus, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
