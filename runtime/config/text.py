"""Reads the text of a variable by the type of its setting: lists, tables, choices, paths."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Iterator

_BRACKETS = re.compile(r"[\[\]{}\"']")


def read_text(text: str, annotation: Any) -> Any:
    """Return what pydantic validates further. Raises `ValueError` with what to write instead."""
    kinds = list(_alternatives(annotation))
    origins = {get_origin(kind) or kind for kind in kinds}
    if origins & {tuple, frozenset}:
        return [_item(item, kinds) for item in _list(text)]
    if dict in origins:
        return _table(text)
    if Path in origins and text.startswith("~"):
        return _expanded(text)
    return _choice(text, kinds)


def _alternatives(annotation: Any) -> Iterator[Any]:
    """The types of a union, without `Annotated`."""
    origin = get_origin(annotation)
    if origin in {Union, UnionType}:
        for one in get_args(annotation):
            yield from _alternatives(one)
    elif origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    else:
        yield annotation


def _list(text: str) -> list[Any]:
    if text.startswith("["):
        return list(_json(text, list, "a JSON list"))
    items = [item.strip() for item in text.split(",")]
    if any(_BRACKETS.search(item) for item in items):
        raise ValueError("should be a list: names separated by commas, or a JSON list")
    return [item for item in items if item]


def _item(item: Any, kinds: list[Any]) -> Any:
    """An item of a list; `~` in a path is the home folder there, too."""
    paths = any(Path in _alternatives(part) for kind in kinds for part in get_args(kind))
    return _expanded(item) if paths and isinstance(item, str) and item.startswith("~") else item


def _table(text: str) -> Any:
    if text.startswith("{"):
        return _json(text, dict, "a JSON object")
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if _BRACKETS.search(text) or not all(
        name and equals and value for name, equals, value in pairs
    ):
        raise ValueError("should be pairs such as name=value separated by commas, or a JSON object")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _json(text: str, kind: type, what: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"should be {what}, but is not valid JSON") from error
    if not isinstance(value, kind):
        raise ValueError(f"should be {what}")  # noqa: TRY004 - pydantic reports a ValueError
    return value


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError("should name an existing user's home folder after ~") from error


def _choice(text: str, kinds: list[Any]) -> str:
    """The choice that this text names in any case, or the text itself."""
    choices = [str(value) for kind in kinds for value in _values(kind)]
    return next((choice for choice in choices if choice.lower() == text.lower()), text)


def _values(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(kind) if isinstance(kind, type) and issubclass(kind, StrEnum) else ()
