"""From the JSON Schema of a model's input to the fields of a form."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from api.page.texts import maybe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Schema = dict[str, Any]

_LONG_TEXT = 300
"""A string that may be longer gets several lines."""
_MOST_BOXES = 8
"""In a list that says no limit of its own."""
_FINE_STEPS = 20
"""Steps of a slider for numbers without a step of their own."""
_MEDIA = ("image", "video", "audio")
_IN_FRONT = ("quality", "size", "mode", "background", "output", "seed")
"""Optional fields that most people set: they are not folded away."""


@dataclass(frozen=True)
class FormField:
    """One field of a form."""

    name: str
    kind: str
    """`image`, `video`, `audio`, `long_text`, `text`, `number`, `flag`, `choice`, `seed`, `box`,
    `rows`, `group` or `json`: which part of the template draws it."""
    label: str
    help: str = ""
    required: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: str = "any"
    unit: str = ""
    max_length: int | None = None
    pattern: str | None = None
    most: int | None = None
    """How many rows or boxes there may be."""
    numbered: bool = False
    """Whether a number may stand for a box."""
    fields: tuple[FormField, ...] = ()
    """The fields of each row, or of the group."""
    advanced: bool = False
    value: str = ""
    """What the browser sent before."""
    errors: tuple[str, ...] = ()

    @property
    def slider(self) -> bool:
        """Whether a slider fits: a number with two bounds and a default."""
        bounded = self.minimum is not None and self.maximum is not None
        return self.kind == "number" and bounded and self.default is not None

    @property
    def shown(self) -> str:
        """The value that the field has at first."""
        if self.value:
            return self.value
        return "" if self.default is None else str(self.default)


@dataclass(frozen=True)
class Form:
    """The fields of a model's input in the order that its schema gives them."""

    fields: tuple[FormField, ...] = field(default=())

    @classmethod
    def of(cls, schema: Schema) -> Form:
        """The form for a schema."""
        definitions = schema.get("$defs", {})
        return cls(tuple(_fields(schema, definitions)))

    @property
    def front(self) -> list[FormField]:
        """What everybody sees, media first."""
        shown = [each for each in self.fields if not each.advanced]
        return sorted(shown, key=lambda each: each.kind not in _MEDIA)

    @property
    def folded(self) -> list[FormField]:
        """What is folded away."""
        return [each for each in self.fields if each.advanced]

    def filled(self, values: Mapping[str, str], errors: Mapping[str, list[str]]) -> Form:
        """The same form with what a browser sent, and what was wrong with it."""
        return Form(
            tuple(
                replace(
                    each,
                    value=values.get(each.name, ""),
                    errors=tuple(errors.get(each.name, ())),
                    advanced=each.advanced and each.name not in errors,
                )
                for each in self.fields
            )
        )


def _fields(schema: Schema, definitions: Schema) -> Iterator[FormField]:
    required = schema.get("required", [])
    properties = schema.get("properties", {})
    for name in sorted(properties, key=lambda name: properties[name].get("x-order", 0)):
        yield _field(name, properties[name], definitions, required=name in required)


def _field(name: str, own: Schema, definitions: Schema, *, required: bool) -> FormField:
    """The field of one property; `null` is the empty field."""
    options = [_resolved(option, definitions) for option in own.get("anyOf", [own])]
    options = [option for option in options if option.get("type") != "null"]
    schema = options[0] | {key: own[key] for key in own if key not in {"anyOf", "$ref"}}
    boxes = [option for option in options if _is_box(option, definitions)]
    kind = "box" if boxes else _kind(name, schema, options)
    title = str(own.get("title", name)).replace("_", " ").capitalize()
    inner = _resolved(schema.get("items", {}), definitions) if kind == "rows" else schema
    return FormField(
        name=name,
        kind=kind,
        label=maybe(f"field.{name}", title),
        help=own.get("description", ""),
        required=required,
        default=schema.get("default"),
        choices=_choices(options),
        minimum=schema.get("minimum", schema.get("exclusiveMinimum")),
        maximum=_maximum(schema),
        step=_step(schema),
        unit=schema.get("x-unit", ""),
        max_length=schema.get("maxLength"),
        pattern=schema.get("pattern"),
        most=_most_boxes(boxes) if boxes else schema.get("maxItems"),
        numbered=kind == "box" and any(option.get("type") == "integer" for option in options),
        fields=tuple(_fields(inner, definitions)) if kind in {"rows", "group"} else (),
        advanced=_is_advanced(name, kind, schema, required=required),
    )


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    reference = schema.get("$ref", "").rpartition("/")[2]
    return definitions[reference] | schema if reference else schema


def _kind(name: str, schema: Schema, options: list[Schema]) -> str:
    for media in _MEDIA:
        if schema.get("x-media") == media:
            return media
    if name == "seed":
        return "seed"
    if len(options) > 1:
        return "json"
    if schema.get("properties"):
        return "group"
    if _choices(options):
        return "choice"
    return _plain_kind(schema)


def _plain_kind(schema: Schema) -> str:
    """The kind of a property without choices, by its type."""
    kind = schema.get("type")
    if kind == "array":
        return "rows" if "$ref" in schema.get("items", {}) else "json"
    if kind == "string":
        return "long_text" if schema.get("maxLength", 0) >= _LONG_TEXT else "text"
    return _KINDS.get(str(kind), "json")


_KINDS = {"integer": "number", "number": "number", "boolean": "flag"}


def _is_box(schema: Schema, definitions: Schema) -> bool:
    """Whether this is a rectangle on the picture, or a list of them."""
    return _resolved(schema.get("items", schema), definitions).get("x-widget") == "box"


def _most_boxes(options: list[Schema]) -> int:
    lists = (option.get("maxItems", _MOST_BOXES) for option in options if "items" in option)
    return max(lists, default=1)


def _choices(options: list[Schema]) -> tuple[Any, ...]:
    """The values to choose from: those of all options, if each of them lists its own."""
    listed = [option.get("enum", _only(option)) for option in options]
    return tuple(value for values in listed for value in values)


def _only(option: Schema) -> list[Any]:
    return [option["const"]] if "const" in option else []


def _maximum(schema: Schema) -> float | None:
    exclusive = schema.get("exclusiveMaximum")
    whole = schema.get("type") == "integer"
    return schema.get("maximum", exclusive - 1 if exclusive is not None and whole else exclusive)


def _step(schema: Schema) -> str:
    if "multipleOf" in schema:
        return str(schema["multipleOf"])
    if schema.get("type") == "integer":
        return "1"
    span = schema.get("maximum", 0) - schema.get("minimum", 0)
    return "0.05" if span and span <= _FINE_STEPS / 10 else "0.1" if span else "any"


def _is_advanced(name: str, kind: str, schema: Schema, *, required: bool) -> bool:
    if "x-advanced" in schema:
        return bool(schema["x-advanced"])
    if name == "negative_prompt":
        return True
    front = required or kind in (*_MEDIA, "long_text", "rows") or name in _IN_FRONT
    return not front
