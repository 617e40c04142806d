"""JSON by RFC 8259 only: no NaN, no duplicate names, no text that PostgreSQL cannot store."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from api.bodies.json_limits import check_limits
from api.errors.validation import invalid_field, json_pointer
from jobs.errors import ErrorCode, FieldError, RequestError

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_MESSAGE = "contains a NUL or a lone surrogate: remove it"


def parse_field(text: str, *path: str) -> Any:
    """Parse one field of a form. Raises `RequestError` as `parse` does, and beyond a limit."""
    body = text.encode(errors="surrogatepass")
    check_limits(body, *path)
    return parse(body, field=path[-1])


def parse(body: bytes, *, field: str | None = None) -> Any:
    """Parse a whole body, or one field of a form, whose limits were checked before.

    Raises `RequestError`: invalid_json, or invalid_input for text that cannot be stored.
    """
    try:
        text = body.decode()
        value = json.loads(text, object_pairs_hook=_unique_names, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        detail = f"{field or 'The body'} is not valid JSON: {reason}."
        raise RequestError(ErrorCode.INVALID_JSON, detail) from error
    check_text(value, *filter(None, [field]))
    return value


def check_text(value: Any, *path: str) -> None:
    """Reject NUL and lone surrogates anywhere in the value. Raises `RequestError`."""
    stack: list[_Place] = [(value, None, "")]
    while stack:
        place = stack.pop()
        item = place[0]
        if isinstance(item, dict):
            stack += [(part, place, key) for key, part in item.items()]
            stack += [(key, place, ascii(key)) for key in item]  # keys are checked first
        elif isinstance(item, list):
            stack += [(part, place, index) for index, part in enumerate(item)]
        elif isinstance(item, str) and not is_storable(item):
            raise invalid_field(FieldError(json_pointer(*path, *_names(place)), _MESSAGE))


_Place = tuple[Any, Any, "str | int"]
"""A value, the place of what contains it (None at the top), and its name there."""


def _names(place: _Place) -> list[str]:
    """The names on the way to a place; built for the one that is wrong, not for each."""
    names: list[str] = []
    while place[1] is not None:
        names.append(str(place[2]))
        place = place[1]
    return names[::-1]


def storable_text(text: str) -> str:
    """The text, if it can be stored. Raises `ValueError`."""
    if not is_storable(text):
        raise ValueError(_MESSAGE)
    return text


def is_storable(text: str) -> bool:
    """Whether the text is valid Unicode without NUL."""
    return _NOT_STORABLE.search(text) is None


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("an object has two members of the same name")
    return value


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
