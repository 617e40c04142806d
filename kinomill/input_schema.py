"""The JSON Schema of a model's input: parses text, and checks values before they are sent."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_LIMITS: dict[str, tuple[tuple[type, ...], Callable[[Any, Any], bool], str]] = {
    "minimum": ((int, float), lambda value, limit: value >= limit, "must be at least {}"),
    "maximum": ((int, float), lambda value, limit: value <= limit, "must be at most {}"),
    "exclusiveMinimum": (
        (int, float),
        lambda value, limit: value > limit,
        "must be greater than {}",
    ),
    "exclusiveMaximum": ((int, float), lambda value, limit: value < limit, "must be less than {}"),
    "multipleOf": (
        (int, float),
        lambda value, limit: value % limit == 0,
        "must be a multiple of {}",
    ),
    "minLength": (
        (str,),
        lambda value, limit: len(value) >= limit,
        "must have at least {} characters",
    ),
    "maxLength": (
        (str,),
        lambda value, limit: len(value) <= limit,
        "must have at most {} characters",
    ),
    "pattern": ((str,), lambda value, limit: bool(re.search(limit, value)), "must match {}"),
    "minItems": ((list,), lambda value, limit: len(value) >= limit, "must have at least {} items"),
    "maxItems": ((list,), lambda value, limit: len(value) <= limit, "must have at most {} items"),
}


class InputSchema:
    """The input of one model, as the API describes it.

    It checks the keywords that pydantic writes and ignores all others: the API checks everything
    again.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self.names = frozenset(schema.get("properties", {}))
        self.required = frozenset(schema.get("required", ()))
        self.media = frozenset(name for name in self.names if self._has(name, "x-media"))

    def parse_form_values(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Parse texts as the API parses a form: as JSON, unless the field takes text."""
        return {
            name: text if self._is_text(name, text) else _literal(text)
            for name, text in texts.items()
        }

    def violations(self, values: Mapping[str, Any]) -> list[str]:
        """Return what the API would refuse, one message each."""
        return list(self._object(dict(values), self._root, ""))

    def _check(self, value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
        schema = self._resolved(schema)
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            yield from self._any(value, options, path)
        kinds = schema.get("type")
        if kinds and not any(_is(value, kind) for kind in _list(kinds)):
            yield f"{path}: must be {' or '.join(_list(kinds))}, not {json.dumps(value)[:60]}"
            return
        yield from _choice(value, schema, path)
        yield from _limits(value, schema, path)
        if isinstance(value, dict):
            yield from self._object(value, schema, path + ".")
        if isinstance(value, list):
            for number, item in enumerate(value):
                yield from self._check(item, schema.get("items", {}), f"{path}[{number}]")

    def _any(self, value: Any, options: list[dict[str, Any]], path: str) -> Iterator[str]:
        found = [list(self._check(value, option, path)) for option in options]
        if all(found):
            yield from min(found, key=lambda messages: " must be " in messages[0])

    def _object(self, value: dict[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[str]:
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{path}{name}: is required"
        for name, item in value.items():
            if name in properties:
                yield from self._check(item, properties[name], path + name)
            elif schema.get("additionalProperties") is False:
                yield f"{path}{name}: is not an input; inputs are {', '.join(properties)}"

    def _options(self, name: str) -> list[Mapping[str, Any]]:
        schema = self._root.get("properties", {}).get(name, {})
        options = self._resolved(schema).get("anyOf", [schema])
        return [schema, *(self._resolved(option) for option in options)]

    def _has(self, name: str, keyword: str) -> bool:
        return any(keyword in option for option in self._options(name))

    def _is_text(self, name: str, text: str) -> bool:
        return any(_takes(option, text) for option in self._options(name))

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref", "")
        definitions = self._root.get("$defs", {})
        return definitions.get(reference.rpartition("/")[2], {}) if reference else schema


def _takes(option: Mapping[str, Any], text: str) -> bool:
    """Whether the text itself is the value: one of the choices, or any text if there are none."""
    choices = option.get("enum", [option["const"]] if "const" in option else None)
    return option.get("type") == "string" if choices is None else text in choices


def _choice(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if choices is not None and value not in choices:
        yield f"{path}: must be one of {', '.join(map(str, choices))}"


def _limits(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for keyword, (kinds, holds, message) in _LIMITS.items():
        if keyword in schema and isinstance(value, kinds) and not holds(value, schema[keyword]):
            yield f"{path}: {message.format(schema[keyword])}"


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES.get(kind, (object,)))


def _list(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
