"""`/docs`: Swagger UI from this server's own files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.page.rendering import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def show(request: Request) -> Response:
    """The interactive documentation of the API."""
    return page(request, "docs.html")
