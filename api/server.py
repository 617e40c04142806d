"""Opens the port at once and says that the process lives, while the API itself is imported.

That takes most of a second. Any other request waits for it, instead of being refused.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send


def serve(make: Callable[[], FastAPI], *, host: str, port: int) -> None:
    """Serve the API that `make` returns, until this process is told to stop.

    Raises what `make`, which is called in a thread, raises: then there is nothing to serve.
    """
    doorway = Doorway(make, give_up=lambda: setattr(server, "should_exit", True))
    config = uvicorn.Config(
        doorway, host=host, port=port, ws="none", lifespan="on", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    server.run()
    if doorway.failure is not None:
        raise doorway.failure
    if not server.started:
        sys.exit(1)


class Doorway:
    """ASGI app in front of an app that is still to be made."""

    def __init__(self, make: Callable[[], FastAPI], give_up: Callable[[], None]) -> None:
        self.failure: Exception | None = None
        """Why there is no app, after `give_up` was called."""
        self._make = make
        self._give_up = give_up
        self._app: FastAPI | None = None
        self._settled = asyncio.Event()
        self._lifespan = AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `/livez`; pass the rest on, once there is somebody to pass it to."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if self._app is None and scope["path"] == "/livez":
            await _answer(send, HTTPStatus.OK, b'{"status":"ok"}')
            return
        await self._settled.wait()
        if self._app is None:
            await _answer(send, HTTPStatus.SERVICE_UNAVAILABLE, b'{"status":"unavailable"}')
            return
        await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        making = asyncio.create_task(self._made())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await making
        await self._lifespan.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _made(self) -> None:
        try:
            app = await asyncio.to_thread(self._make)
            await self._lifespan.enter_async_context(app.router.lifespan_context(app))
            self._app = app
        except Exception as failure:  # noqa: BLE001 - `serve` raises it
            self.failure = failure
            self._give_up()
        finally:
            self._settled.set()


async def _answer(send: Send, status: HTTPStatus, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
