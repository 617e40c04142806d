"""The OpenAPI document's view of a submission: one body a model, made from the cards."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from api.draft import Envelope
from api.errors import MEDIA_TYPE
from api.webhook import Webhook
from models.spec import Card, MediaKind

_AROUND = Envelope.model_json_schema()["properties"]


def _around(longest_ttl: timedelta) -> dict[str, Any]:
    """What a submission may say besides its model and its input."""
    ttl = {
        "type": "integer",
        "minimum": 60,
        "maximum": int(longest_ttl.total_seconds()),
        "default": int(longest_ttl.total_seconds()),
        "description": _AROUND["ttl_seconds"]["description"],
    }
    return {
        "labels": _AROUND["labels"],
        "priority": _AROUND["priority"],
        "ttl_seconds": ttl,
        "webhook": Webhook.model_json_schema(),
    }


def _json_schema(card: Card, around: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": card.name,
        "type": "object",
        "description": card.summary,
        "required": ["model", "input"],
        "additionalProperties": False,
        "properties": {
            "model": {"const": card.name},
            "input": card.input.model_json_schema(),
            **around,
        },
    }


def _form_schema(card: Card, around: dict[str, Any]) -> dict[str, Any]:
    schema = card.input.model_json_schema()
    fields = {
        name: _form_field(card, name, schema["properties"][name]) for name in schema["properties"]
    }
    texts = {
        "labels": {"type": "string", "description": "A JSON object of your own words."},
        "webhook": {"type": "string", "description": 'A JSON object: {"url": "https://…"}.'},
    }
    return {
        "title": card.name,
        "type": "object",
        "required": ["model", *schema.get("required", [])],
        "properties": {"model": {"const": card.name}, **fields, **around, **texts},
    }


def _form_field(card: Card, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    kind = card.input.media_fields().get(name)
    if kind is None:
        return schema
    names = {MediaKind.IMAGE: "picture", MediaKind.VIDEO: "clip", MediaKind.AUDIO: "voice"}
    return {"type": "string", "format": "binary", "description": f"The {names[kind]} itself."}


class Api(FastAPI):
    """FastAPI, with a document that tells problems and submissions as what they are."""

    cards: Collection[Card] = ()
    longest_ttl = timedelta(days=7)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            _tell_problems(document)
            body = _submit_body(self.cards, _around(self.longest_ttl))
            document["paths"]["/v1/jobs"]["post"]["requestBody"] = body
        return self.openapi_schema or {}


def _tell_problems(document: dict[str, Any]) -> None:
    """FastAPI writes that all is application/json, and promises 422s in a shape of its own."""
    for operations in document["paths"].values():
        for operation in operations.values():
            _tell_problems_of(operation["responses"])
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


def _tell_problems_of(answers: dict[str, Any]) -> None:
    for status, answer in list(answers.items()):
        content = answer.get("content", {})
        reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
        if reference.endswith("/HTTPValidationError"):
            del answers[status]
        elif reference.endswith("/ProblemAnswer"):
            content[MEDIA_TYPE] = content.pop("application/json")


def _submit_body(cards: Collection[Card], around: dict[str, Any]) -> dict[str, Any]:
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [_json_schema(card, around) for card in cards]},
                "examples": {card.name: _example(card) for card in cards},
            },
            "multipart/form-data": {
                "schema": {"oneOf": [_form_schema(card, around) for card in cards]}
            },
        },
    }


def _example(card: Card) -> dict[str, Any]:
    value = {"model": card.name, "input": dict(card.example)}
    return {"summary": card.summary, "value": value}
