"""What may be submitted, as schemas: one body a model for JSON, one for a form, by its card."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from models.spec import MediaKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from models.spec import Card

Schema = dict[str, Any]

PLACE = "#/components/schemas/"
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")
"""What the name of a component must not hold."""
_AROUND = {"title", "description", "default"}
"""What is said of a field, not of its content."""
_WORDS = {MediaKind.IMAGE: "picture", MediaKind.VIDEO: "clip", MediaKind.AUDIO: "voice"}
_TEXTS: Schema = {
    "labels": {"type": "string", "description": "A JSON object of your own words."},
    "webhook": {"type": "string", "description": 'A JSON object: {"url": "https://…"}.'},
}


class Bodies:
    """The bodies of all models, and their parts by the name that references use.

    `wav2lip` is the JSON body, `wav2lip.form` the form, `wav2lip.input` the input, and
    `wav2lip.Region` a part of it: names of parts are each model's own.
    """

    def __init__(self, cards: Collection[Card], around: Schema) -> None:
        """`around` describes what a submission may say besides its model and its input."""
        self._cards = cards
        self.components: dict[str, Schema] = {}
        for card in cards:
            self.components |= _components(card, around)

    def request(self) -> Schema:
        """The request body of a submission."""
        names = {card.name: _name(card) for card in self._cards}
        forms = {model: f"{name}.form" for model, name in names.items()}
        return {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _one_of(names),
                    "examples": {card.name: _example(card) for card in self._cards},
                },
                "multipart/form-data": {"schema": _one_of(forms)},
            },
        }


def _one_of(names: Mapping[str, str]) -> Schema:
    """One of several, told apart by `model`."""
    places = {model: PLACE + name for model, name in names.items()}
    return {
        "oneOf": [{"$ref": place} for place in places.values()],
        "discriminator": {"propertyName": "model", "mapping": places},
    }


def _components(card: Card, around: Schema) -> dict[str, Schema]:
    name = _name(card)
    schema = card.input.model_json_schema(ref_template=f"{PLACE}{name}.{{model}}")
    parts = {f"{name}.{part}": found for part, found in schema.pop("$defs", {}).items()}
    return {
        name: _json_body(card, around),
        f"{name}.form": _form(card, schema, parts, around),
        f"{name}.input": schema | {"title": f"Input of {card.name}"},
        **parts,
    }


def _json_body(card: Card, around: Schema) -> Schema:
    return {
        "title": card.name,
        "type": "object",
        "description": card.summary,
        "required": ["model", "input"],
        "additionalProperties": False,
        "properties": {
            "model": {"type": "string", "const": card.name},
            "input": {"$ref": f"{PLACE}{_name(card)}.input"},
            **around,
        },
        "examples": [_submission(card)],
    }


def _form(card: Card, schema: Schema, parts: Mapping[str, Schema], around: Schema) -> Schema:
    media = card.input.media_fields()
    fields = {
        name: _file(media[name]) if name in media else _field(each, parts)
        for name, each in schema["properties"].items()
    }
    return {
        "title": f"{card.name}, as a form",
        "type": "object",
        "description": card.summary,
        "required": ["model", *schema.get("required", [])],
        "properties": {
            "model": {"type": "string", "const": card.name},
            **fields,
            **around,
            **_TEXTS,
        },
    }


def _file(kind: MediaKind) -> Schema:
    description = f"The {_WORDS[kind]} itself."
    return {"type": "string", "format": "binary", "description": description}


def _field(schema: Schema, parts: Mapping[str, Schema]) -> Schema:
    """A form knows only text: what has parts is sent as JSON."""
    field = dict(schema)
    if "anyOf" in schema:
        field["anyOf"] = [
            _as_text(one) if _has_parts(one, parts) else one for one in field["anyOf"]
        ]
    elif _has_parts(schema, parts):
        around = {word: field.pop(word) for word in _AROUND & field.keys()}
        field = around | _as_text(field, around.get("description", ""))
    if isinstance(field.get("default"), dict | list):
        field["default"] = json.dumps(field["default"])
    return field


def _as_text(content: Schema, description: str = "") -> Schema:
    return {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": content,
        "description": f"{description} As JSON text.".lstrip(),
    }


def _has_parts(schema: Schema, parts: Mapping[str, Schema]) -> bool:
    found = parts.get(schema.get("$ref", "").removeprefix(PLACE), schema)
    return found.get("type") in {"object", "array"} or "oneOf" in found


def _example(card: Card) -> Schema:
    return {"summary": card.summary, "value": _submission(card)}


def _submission(card: Card) -> Schema:
    return {"model": card.name, "input": dict(card.example)}


def _name(card: Card) -> str:
    return _UNFIT.sub("_", card.name)
