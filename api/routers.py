"""Routers whose routes are complete when they are defined.

`FastAPI.include_router` analyzes each route once more, all of them at the first request for which
they are tried: 80 ms in the event loop, and 4 MB. An app takes the routes of these as they are.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from api.bodies.json_limits import MAX_TEXT_BYTES
from api.context.query import refuse_repeated_query, refuse_unknown_query
from api.middleware.body_limit import content_length
from jobs.errors import ErrorCode, RequestError


def operation_id(route: APIRoute) -> str:
    """The name of the route's function: short, stable, and what generators name methods after."""
    return route.name


def contract_router(**options: Any) -> APIRouter:
    """A router of paths below `/v1`: a query parameter that a path does not have is refused."""
    return _router(Depends(refuse_unknown_query), options)


def other_router(**options: Any) -> APIRouter:
    """A router of the other paths: only a query parameter that is given twice is refused."""
    return _router(Depends(refuse_repeated_query), options)


def _router(check: Any, options: dict[str, Any]) -> APIRouter:
    return APIRouter(
        dependencies=[check],
        generate_unique_id_function=operation_id,
        route_class=_Route,
        **options,
    )


class _Route(APIRoute):
    """A route. A body that FastAPI parses is read here: it would take one of any size, before it
    knows the caller, and parse it in one go."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What handles a request. Raises `RequestError` (body_too_large)."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def limited(request: Request) -> Response:
            body = await _read(request)

            async def receive() -> Message:
                return {"type": "http.request", "body": body}

            return await handle(Request(request.scope, receive))

        return limited


async def _read(request: Request) -> bytes:
    body = bytearray()
    declared = content_length(request.scope)
    async for chunk in request.stream():
        body += chunk
        if max(len(body), declared) > MAX_TEXT_BYTES:
            detail = f"The JSON body exceeds {MAX_TEXT_BYTES:,} bytes."
            raise RequestError(ErrorCode.BODY_TOO_LARGE, detail)
    return bytes(body)
