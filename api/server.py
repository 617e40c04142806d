"""Serves the API: opens the port and answers `/livez` at once, while the app is still imported.

The import takes most of a second. Other requests wait for it instead of being refused.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextlib import AsyncExitStack
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from api.connections.connection import Connection
from api.connections.limits import ConnectionLimits, OpenConnections, fitting
from api.connections.small_reads import reading_little
from api.middleware.request_id import HEADER, new_id
from runtime.gc_paused import gc_paused
from runtime.host_names import listening_sockets

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.openapi import KinomillAPI


SWITCH_SECONDS = 0.001
"""How long a thread that parses a body may keep the interpreter's lock from the event loop."""
CUT_SECONDS = 5
"""How long a stop waits for requests in progress; then their connections are cut."""
STOP_SECONDS = 7.5
"""A stop takes no longer, whatever hangs: a dead database, broker, storage or standard error."""


def serve(
    build: Callable[[], KinomillAPI],
    *,
    host: str,
    port: int,
    limits: ConnectionLimits,
) -> None:
    """Serve the app that `build` returns, until SIGTERM or SIGINT.

    `build` runs in a thread; serving ends with whatever it raises. Raises `CannotListen` if the
    port cannot be opened.
    """
    sockets = listening_sockets(host, port)
    app = DeferredApp(build, on_failure=lambda: setattr(server, "should_exit", True))
    server = ApiServer(app, fitting(limits), host=host, port=port)
    sys.setswitchinterval(SWITCH_SECONDS)
    server.on_stop = partial(_end_process_after, STOP_SECONDS)
    server.run(sockets)
    if app.failure is not None:
        raise app.failure


class ApiServer(uvicorn.Server):
    """Uvicorn with limits on connections, and a stop that waits for no caller."""

    def __init__(self, app: ASGIApp, limits: ConnectionLimits, **options: Any) -> None:
        """`options` are uvicorn's. An app with `end_waits` is told when the stop begins."""
        self._opened = OpenConnections(limits)
        self._end_waits: Callable[[], None] | None = getattr(app, "end_waits", None)
        self.on_stop: Callable[[], None] = lambda: None
        config = uvicorn.Config(
            app,
            http=cast("Any", reading_little(partial(Connection, opened=self._opened))),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=CUT_SECONDS + 1,
            **options,
        )
        super().__init__(config)

    async def on_tick(self, counter: int) -> bool:
        """Once a second, end the connections that are too slow."""
        if counter % 10 == 0:
            self._opened.end_overdue(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer the requests that wait for jobs now, and cut what is left after `CUT_SECONDS`."""
        self.on_stop()
        if self._end_waits is not None:
            self._end_waits()
        asyncio.get_running_loop().call_later(CUT_SECONDS, self._opened.cut)
        await super().shutdown(sockets)


def _end_process_after(seconds: float) -> None:
    """End this process from a thread: by then its loop or another thread of it hangs.

    Nothing is lost: a job is stored before its 202, and what a kill leaves behind is cleaned up.
    """
    timer = threading.Timer(seconds, os._exit, [128 + signal.SIGTERM])
    timer.daemon = True
    timer.start()


class DeferredApp:
    """ASGI app in front of another one that is built in the background."""

    def __init__(self, build: Callable[[], KinomillAPI], on_failure: Callable[[], None]) -> None:
        self.failure: Exception | None = None
        """What `build` raised; set before `on_failure` is called."""
        self._build_app = build
        self._on_failure = on_failure
        self._app: KinomillAPI | None = None
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

    def end_waits(self) -> None:
        """Have requests that wait for the end of a job answered now."""
        if self._app is not None:
            self._app.end_waits()

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
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (HEADER.encode(), new_id().encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
