"""The OpenAPI document: what FastAPI writes, corrected, with a body for each model."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from api.errors.problems import MEDIA_TYPE
from api.jobs.request_body import Envelope
from api.jobs.webhook import Webhook
from api.request_schemas import Bodies
from models.spec import Card

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


class Api(FastAPI):
    """FastAPI, with a document that tells problems and submissions as what they are."""

    cards: Collection[Card] = ()
    longest_ttl = timedelta(days=7)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            _tell_problems(document)
            bodies = Bodies(self.cards, _around(self.longest_ttl))
            document["components"]["schemas"] |= bodies.components
            document["paths"]["/v1/jobs"]["post"]["requestBody"] = bodies.request()
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
        elif reference.endswith("/ProblemResponse"):
            content[MEDIA_TYPE] = content.pop("application/json")
