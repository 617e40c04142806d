"""The paths of the pages. Templates and views are imported when the first page is asked for."""

from __future__ import annotations

import asyncio
import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.routing import Match, Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Scope

    View = Callable[[Request], Awaitable[Response]]


def _deferred(view: str) -> View:
    """The view `module:function` in `views`, imported by its first request."""

    @cache
    def load() -> View:
        module, _, name = view.partition(":")
        loaded = importlib.import_module(f"api.page.views.{module}")
        from api.page.refusals import shown

        function: View = shown(getattr(loaded, name))
        return function

    async def endpoint(request: Request) -> Response:
        function = load() if load.cache_info().currsize else await asyncio.to_thread(load)
        return await function(request)

    return endpoint


class PageRoute(Route):
    """A route that the scope of its requests names, as FastAPI's do; metrics count by it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As Starlette's, with the route."""
        match, child_scope = super().matches(scope)
        return match, {**child_scope, "route": self} if match is not Match.NONE else child_scope


def _route(method: str, path: str, view: str) -> Route:
    name: Any = f"page:{method} {path}"
    return PageRoute(path, _deferred(view), methods=[method], name=name, include_in_schema=False)


ROUTES = (
    _route("GET", "/", "new_job:show"),
    _route("POST", "/", "new_job:submit"),
    _route("POST", "/estimate", "new_job:estimate"),
    _route("GET", "/jobs", "gallery:show"),
    _route("GET", "/jobs/{job_id}", "job:show"),
    _route("GET", "/jobs/{job_id}/preview", "job:preview"),
    _route("GET", "/jobs/{job_id}/shares", "share:show"),
    _route("POST", "/jobs/{job_id}/share", "share:create"),
    _route("POST", "/jobs/{job_id}/shares/{share_id}/revoke", "share:revoke"),
    _route("GET", "/shared/{token}", "share:shared"),
    _route("POST", "/jobs/{job_id}/{action}", "job:act"),
    _route("GET", "/compare", "compare:show"),
    _route("GET", "/models", "fleet:models"),
    _route("POST", "/workers/{name}/{action}", "fleet:act_on_worker"),
    _route("POST", "/queues/{name}/{action}", "fleet:act_on_queue"),
    _route("GET", "/batches", "batch:index"),
    _route("POST", "/batches", "batch:create"),
    _route("GET", "/batches/{batch_id}", "batch:show"),
    _route("POST", "/batches/{batch_id}/{action}", "batch:act"),
    _route("GET", "/usage", "usage:show"),
    _route("POST", "/models/{name}/prefetch", "fleet:prefetch"),
    _route("POST", "/models/{name}/example", "new_job:run_example"),
    _route("GET", "/workers", "fleet:workers"),
    _route("GET", "/login", "session:show"),
    _route("POST", "/login", "session:begin"),
    _route("POST", "/logout", "session:end"),
    _route("GET", "/docs", "documentation:show"),
    _route("GET", "/favicon.ico", "files:icon"),
    _route("GET", "/static/{version}/{name:path}", "files:show"),
)
