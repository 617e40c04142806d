"""What a page shows when the API refuses what it needs."""

from __future__ import annotations

from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from api.page.contract import Refused
from api.page.rendering import page, see

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    View = Callable[[Request], Awaitable[Response]]


def shown(view: View) -> View:
    """The view, with a page for every refusal."""

    @wraps(view)
    async def guarded(request: Request) -> Response:
        try:
            return await view(request)
        except Refused as refused:
            return refusal(request, refused)

    return guarded


def refusal(request: Request, refused: Refused) -> Response:
    """The page that says what the API refused, and what to do."""
    if refused.status == HTTPStatus.UNAUTHORIZED:
        asked = request.url.path.removeprefix(request.scope.get("root_path", ""))
        query = f"?{request.url.query}" if request.url.query else ""
        return see(request, f"/login?{urlencode({'next': asked + query})}")
    return refused_page(request, refused.status, refused.problem)


def refused_page(request: Request, status: int, problem: dict[str, Any]) -> Response:
    """The page of a problem (RFC 9457)."""
    return page(request, "refused.html", status, problem=problem)
