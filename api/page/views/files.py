"""Sends the files that pages load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.page import assets

if TYPE_CHECKING:
    from starlette.requests import Request

_FOREVER = "public, max-age=31536000, immutable"
_A_DAY = "public, max-age=86400"


async def show(request: Request) -> Response:
    """A file of the version in its path."""
    current = request.path_params["version"] == assets.version()
    return _sent(request, request.path_params["name"], _FOREVER if current else _A_DAY)


async def icon(request: Request) -> Response:
    """The icon, for browsers that look for it where it was before HTML named one."""
    return _sent(request, "icon.svg", _A_DAY)


def _sent(request: Request, name: str, caching: str) -> Response:
    asset = assets.find(name)
    if asset is None:
        raise HTTPException(404)
    headers = {
        "Cache-Control": caching,
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    if asset.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.zipped, headers=headers, media_type=asset.media_type)
    return Response(asset.content, headers=headers, media_type=asset.media_type)
