"""A model's JSON Schema: turns text into values, and finds faults before a row is sent."""

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
    "exclusiveMinimum": ((int, float), lambda value, limit: value > limit, "must be over {}"),
    "exclusiveMaximum": ((int, float), lambda value, limit: value < limit, "must be under {}"),
    "multipleOf": ((int, float), lambda value, limit: value % limit == 0, "is no multiple of {}"),
    "minLength": ((str,), lambda value, limit: len(value) >= limit, "is shorter than {}"),
    "maxLength": ((str,), lambda value, limit: len(value) <= limit, "is longer than {}"),
    "pattern": ((str,), lambda value, limit: bool(re.search(limit, value)), "does not match {}"),
    "minItems": ((list,), lambda value, limit: len(value) >= limit, "has fewer than {} items"),
    "maxItems": ((list,), lambda value, limit: len(value) <= limit, "has more than {} items"),
}


class Schema:
    """The input of one model, as the API describes it.

    Knows the keywords that pydantic writes; what it does not know it lets pass, since the API
    checks everything again.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self.names = frozenset(schema.get("properties", {}))
        self.required = frozenset(schema.get("required", ()))
        self.media = frozenset(name for name in self.names if self._has(name, "x-media"))

    def typed(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Values of text cells, read as the API reads a form: JSON, unless the field is text."""
        return {
            name: text if self._is_text(name, text) else _literal(text)
            for name, text in texts.items()
        }

    def faults(self, values: Mapping[str, Any]) -> list[str]:
        """What the API would refuse, a sentence each; empty when nothing was found."""
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
            yield from min(found, key=lambda faults: " must be " in faults[0])

    def _object(self, value: dict[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[str]:
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{path}{name}: is missing"
        for name, item in value.items():
            if name in properties:
                yield from self._check(item, properties[name], path + name)
            elif schema.get("additionalProperties") is False:
                yield f"{path}{name}: is no input; inputs are {', '.join(properties)}"

    def _options(self, name: str) -> list[Mapping[str, Any]]:
        schema = self._root.get("properties", {}).get(name, {})
        options = self._resolved(schema).get("anyOf", [schema])
        return [schema, *(self._resolved(option) for option in options)]

    def _has(self, name: str, word: str) -> bool:
        return any(word in option for option in self._options(name))

    def _is_text(self, name: str, text: str) -> bool:
        return any(_takes(option, text) for option in self._options(name))

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref", "")
        definitions = self._root.get("$defs", {})
        return definitions.get(reference.rpartition("/")[2], {}) if reference else schema


def _takes(option: Mapping[str, Any], text: str) -> bool:
    """Whether the text itself is meant: one of a list, or any where there is no list."""
    choices = option.get("enum", [option["const"]] if "const" in option else None)
    return option.get("type") == "string" if choices is None else text in choices


def _choice(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if choices is not None and value not in choices:
        yield f"{path}: must be one of {', '.join(map(str, choices))}"


def _limits(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for word, (kinds, holds, sentence) in _LIMITS.items():
        if word in schema and isinstance(value, kinds) and not holds(value, schema[word]):
            yield f"{path}: {sentence.format(schema[word])}"


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
