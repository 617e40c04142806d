"""JSON Schemas of submissions, built from the cards: a JSON body and a form for each model."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from models.spec import MediaKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from models.spec import Card

Schema = dict[str, Any]

REF_PREFIX = "#/components/schemas/"
JOB_FORM = "JobForm"
_WORD = re.compile(r"[A-Za-z0-9]+")
_ANNOTATIONS = {"title", "description", "default", "x-order", "x-unit"}
"""Keywords that describe a field, not its content."""
_MEDIA_NOUNS = {MediaKind.IMAGE: "image", MediaKind.VIDEO: "video", MediaKind.AUDIO: "audio"}
_FORM_ENVELOPE: Schema = {
    "labels": {"type": "string", "description": "A JSON object with labels of your own."},
    "webhook": {"type": "string", "description": 'A JSON object: {"url": "https://…"}.'},
}


class RequestSchemas:
    """The request bodies of all models, and their component schemas by name.

    For `wan2.2-i2v` these are `Wan22I2vSubmission` (the JSON body), `Wan22I2vForm`, `Wan22I2vInput`
    and one for each nested class of the input, for example `Wan22I2vExpertLora`. `JobForm` is the
    form of all models together, because neither generators nor Swagger UI can send a multipart
    body that is one of several. Name and title are the same and unique in the document, because
    generators name classes after titles.
    """

    def __init__(self, cards: Collection[Card], envelope: Schema) -> None:
        """`envelope` holds the properties of a submission besides its model and its input."""
        self._cards = cards
        self.components: dict[str, Schema] = {}
        for card in cards:
            self.components |= _components(card, envelope)
        forms = [self.components[f"{stem(card.name)}Form"] for card in cards]
        self.components[JOB_FORM] = _job_form(forms)

    def request(self) -> Schema:
        """The request body of `POST /v1/jobs`."""
        bodies = {card.name: f"{stem(card.name)}Submission" for card in self._cards}
        return {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _one_of(bodies),
                    "examples": {card.name: _example(card) for card in self._cards},
                },
                "multipart/form-data": {"schema": {"$ref": REF_PREFIX + JOB_FORM}},
            },
        }


def stem(model: str) -> str:
    """The prefix of a model's component names: `wan2.2-i2v` becomes `Wan22I2v`."""
    return "".join(word[0].upper() + word[1:] for word in _WORD.findall(model))


def _one_of(names: Mapping[str, str]) -> Schema:
    """One schema per model, discriminated by `model`."""
    refs = {model: REF_PREFIX + name for model, name in names.items()}
    return {
        "oneOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": "model", "mapping": refs},
    }


def _components(card: Card, envelope: Schema) -> dict[str, Schema]:
    prefix = stem(card.name)
    schema = card.input.model_json_schema(ref_template=f"{REF_PREFIX}{prefix}{{model}}")
    parts = {f"{prefix}{part}": found for part, found in schema.pop("$defs", {}).items()}
    components = {
        f"{prefix}Submission": _json_body(card, envelope),
        f"{prefix}Form": _form(card, schema, parts, envelope),
        f"{prefix}Input": schema | {"description": f"Input of {card.name}."},
        **parts,
    }
    return {name: found | {"title": name} for name, found in components.items()}


def _json_body(card: Card, envelope: Schema) -> Schema:
    return {
        "type": "object",
        "description": card.summary,
        "required": ["model", "input"],
        "additionalProperties": False,
        "properties": {
            "model": {"type": "string", "const": card.name},
            "input": {"$ref": f"{REF_PREFIX}{stem(card.name)}Input"},
            **envelope,
        },
    }


def _form(card: Card, schema: Schema, parts: Mapping[str, Schema], envelope: Schema) -> Schema:
    media = card.input.media_fields()
    fields = {
        name: _file(media[name]) if name in media else _field(each, parts)
        for name, each in schema["properties"].items()
    }
    return {
        "type": "object",
        "description": card.summary,
        "required": ["model", *schema.get("required", [])],
        "properties": {
            "model": {"type": "string", "const": card.name},
            **fields,
            **envelope,
            **_FORM_ENVELOPE,
        },
    }


def _job_form(forms: Collection[Schema]) -> Schema:
    """All fields of all models, without defaults: a default of one model is an error in another."""
    fields: dict[str, list[Schema]] = {}
    for form in forms:
        for name, field in form["properties"].items():
            fields.setdefault(name, []).append(field)
    models = [field["const"] for field in fields["model"]]
    return {
        "title": JOB_FORM,
        "type": "object",
        "description": "The fields of all models; each model's own form says which it takes.",
        "required": ["model"],
        "properties": {name: _common(found) for name, found in fields.items()}
        | {"model": {"type": "string", "enum": models}},
    }


def _common(fields: Collection[Schema]) -> Schema:
    """What the schemas of one field agree on; where they differ, the text of a form field."""
    schemas = [{key: field[key] for key in field.keys() - _ANNOTATIONS} for field in fields]
    first = next(iter(fields))
    same = all(schema == schemas[0] for schema in schemas)
    return (schemas[0] if same else {"type": "string"}) | {
        "description": first.get("description", "")
    }


def _file(kind: MediaKind) -> Schema:
    description = f"The {_MEDIA_NOUNS[kind]} file."
    return {"type": "string", "format": "binary", "description": description}


def _field(schema: Schema, parts: Mapping[str, Schema]) -> Schema:
    """A form field is text: objects and arrays are sent as JSON text."""
    field = dict(schema)
    if "anyOf" in schema:
        field["anyOf"] = [
            _as_text(one) if _has_parts(one, parts) else one for one in field["anyOf"]
        ]
    elif _has_parts(schema, parts):
        annotations = {word: field.pop(word) for word in _ANNOTATIONS & field.keys()}
        field = annotations | _as_text(field, annotations.get("description", ""))
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
    found = parts.get(schema.get("$ref", "").removeprefix(REF_PREFIX), schema)
    return found.get("type") in {"object", "array"} or "oneOf" in found


def _example(card: Card) -> Schema:
    return {"summary": card.summary, "value": _submission(card)}


def _submission(card: Card) -> Schema:
    return {"model": card.name, "input": dict(card.example)}
