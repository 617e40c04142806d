"""Query parameters that a path does not have are refused: a typing error would go unseen."""

from collections.abc import Collection

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api.context.deps import principal_of
from api.errors.validation import MAX_ERRORS, invalid_fields, json_pointer
from jobs.errors import FieldError


async def refuse_unknown_query(request: Request) -> None:
    """A dependency of routes. Raises `RequestError` (invalid_input), `Problem` (unauthorized)."""
    if request.scope["query_string"]:
        await refuse_others(request, _parameters(request.scope["route"]))


async def refuse_others(request: Request, known: Collection[str]) -> None:
    """Raise `RequestError` (invalid_input) for query parameters that are not among these.

    `Problem` (unauthorized) comes first: a key in the query is the usual mistake.
    """
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        await principal_of(request)
        has = f"this path has: {', '.join(known)}" if known else "this path has none"
        message = f"there is no such query parameter; {has}"
        names = dict.fromkeys(unknown[:MAX_ERRORS])
        raise invalid_fields(
            tuple(FieldError(json_pointer("query", name), message) for name in names)
        )


def _parameters(route: APIRoute) -> tuple[str, ...]:
    """The query parameters of a route; those of a Pydantic model are its fields."""
    names: list[str] = []
    for field in route.dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += kind.model_fields
        else:
            names.append(field.alias)
    return tuple(names)
