"""Routers whose routes are complete when they are defined.

`FastAPI.include_router` analyzes each route once more, all of them at the first request for which
they are tried: 80 ms in the event loop, and 4 MB. An app takes the routes of these as they are.
"""

from typing import Any

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute

from api.context.query import refuse_repeated_query, refuse_unknown_query


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
    return APIRouter(dependencies=[check], generate_unique_id_function=operation_id, **options)
