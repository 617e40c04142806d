"""Query parameters that a path does not have, or given twice, are refused.

A typing error would go unseen; of two values one would be used, and the caller not told which.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from http import HTTPStatus
from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api.context.deps import principal_of
from api.errors.problems import Problem
from api.errors.validation import MAX_ERRORS, invalid_fields, json_pointer
from jobs.errors import ErrorCode, FieldError


async def refuse_unknown_query(request: Request) -> None:
    """A dependency of routes. Raises `RequestError` (invalid_input), `Problem` (unauthorized)."""
    if request.scope["query_string"]:
        await refuse_others(request, dict(_parameters(request.scope["route"])))
        await refuse_repeated_query(request)


async def refuse_repeated_query(request: Request) -> None:
    """A dependency of the other routes. Raises `Problem` (invalid_input, 400)."""
    if request.scope["query_string"]:
        parameters = _parameters(request.scope["route"])
        refuse_repeated(request, lists=[name for name, is_list in parameters if is_list])


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


def refuse_repeated(request: Request, *, lists: Collection[str] = ()) -> None:
    """Raise `Problem` (invalid_input, 400) for a query parameter given twice, if it is no list."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    repeated = [name for name, count in counts.items() if count > 1 and name not in lists]
    if repeated:
        pointers = [json_pointer("query", name) for name in repeated[:MAX_ERRORS]]
        message = "is given more than once: send one value"
        raise Problem(
            ErrorCode.INVALID_INPUT,
            "; ".join(f"{pointer}: {message}" for pointer in pointers),
            errors=tuple(FieldError(pointer, message) for pointer in pointers),
            status=HTTPStatus.BAD_REQUEST,
        )


def _parameters(route: APIRoute) -> Iterator[tuple[str, bool]]:
    """The query parameters of a route, and whether each is a list; a Pydantic model has several."""
    for field in route.dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, one in kind.model_fields.items():
                yield name, _is_list(one.annotation)
        else:
            yield field.alias, _is_list(kind)


def _is_list(annotation: Any) -> bool:
    return list in {get_origin(one) for one in (annotation, *get_args(annotation))}
