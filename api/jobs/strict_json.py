"""JSON as RFC 8259 means it: no NaN, no twice-named fields, nothing that PostgreSQL cannot hold."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from api.errors.validation import invalid_field, json_pointer
from jobs.errors import ErrorCode, FieldError, RequestError

_UNFIT = "holds a NUL or a lone surrogate"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse(body: bytes, *, field: str | None = None) -> Any:
    """The value of a JSON document: a whole body, or one field of a form.

    Raises `RequestError`: invalid_json, or invalid_input for text that cannot be stored.
    """
    try:
        text = body.decode()
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RequestError(
            ErrorCode.INVALID_JSON,
            f"{field or 'The body'} is not JSON: {reason}.",
        ) from error
    check_text(value, *filter(None, [field]))
    return value


def check_text(value: Any, *where: str) -> None:
    """Refuse NUL and lone surrogates anywhere in the value. Raises `RequestError`."""
    waiting = [(where, value)]
    while waiting:
        names, item = waiting.pop()
        if isinstance(item, dict):
            waiting += [((*names, key), part) for key, part in item.items()]
            waiting += [((*names, ascii(key)), key) for key in item]  # looked at before the parts
        elif isinstance(item, list):
            waiting += [((*names, str(index)), part) for index, part in enumerate(item)]
        elif isinstance(item, str) and not storable(item):
            raise invalid_field(FieldError(json_pointer(*names), f"{_UNFIT}: remove it"))


def words(text: str) -> str:
    """The text, if it can be stored. Raises `ValueError`."""
    if not storable(text):
        raise ValueError(f"{_UNFIT}: remove it")
    return text


def storable(text: str) -> bool:
    """Whether the text is valid Unicode without NUL."""
    return _UNSTORABLE.search(text) is None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a field is named twice")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
