"""Serves the API below a path, such as https://example.com/mill: the path of the public URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class PathPrefix:
    """ASGI middleware that removes the prefix of a path, whether or not the proxy did so before."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request with the path that the routes know."""
        if scope["type"] == "http":
            path = scope["path"]
            if path.startswith(f"{self._prefix}/"):
                path = path.removeprefix(self._prefix)
            scope = {**scope, "path": path, "root_path": self._prefix}
        await self._app(scope, receive, send)
