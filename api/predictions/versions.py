"""Models as Replicate names them: `kinomill/NAME`, in one version each."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field

from api.errors.problems import Problem
from api.errors.validation import invalid_field
from jobs.errors import ErrorCode, FieldError
from runtime.version import VERSION

if TYPE_CHECKING:
    from api.context.model_registry import ModelRegistry
    from models.spec import Card, Input

OWNER: Final = "kinomill"
_REFS: Final = "#/components/schemas/{model}"


class Version(BaseModel):
    """The input that a model takes. Another input is another version."""

    id: str
    created_at: datetime
    cog_version: str
    openapi_schema: dict[str, Any]

    @classmethod
    def of(cls, card: Card) -> Version:
        """The version of a model that this server runs."""
        return cls(
            id=version_id(card),
            created_at=_installed_at(card),
            cog_version=VERSION,
            openapi_schema=_openapi(card),
        )


class VersionPage(BaseModel):
    """All versions of a model: the one that this server runs."""

    previous: None = None
    next: None = None
    results: list[Version]


class Model(BaseModel):
    """A model, as Replicate's clients read it."""

    url: str
    owner: str = OWNER
    name: str
    description: str
    visibility: str = "public"
    github_url: None = None
    paper_url: None = None
    license_url: str | None
    run_count: int = 0
    cover_image_url: None = None
    default_example: None = None
    latest_version: Version | None = Field(description="Null in a list.")

    @classmethod
    def of(cls, card: Card, public_url: str) -> Model:
        """The model of a card."""
        return cls.listed(card, public_url).model_copy(update={"latest_version": Version.of(card)})

    @classmethod
    def listed(cls, card: Card, public_url: str) -> Model:
        """The model of a card in a list, where the schemas of all would be too much."""
        return cls(
            url=f"{public_url}/v1/models/{card.name}",
            name=card.name,
            description=card.summary,
            license_url=card.license.url,
            latest_version=None,
        )


def version_id(card: Card) -> str:
    """A digest of the name and the input: 64 hexadecimal digits."""
    return _digest(card.name, card.input)


@cache
def _digest(name: str, model: type[Input]) -> str:
    text = json.dumps([name, _schema(model)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def require_model(models: ModelRegistry, owner: str, name: str, version: str | None = None) -> Card:
    """The card of `owner/name`. Raises `Problem` (unknown_model, 404)."""
    card = models.cards.get(name) if owner == OWNER else None
    if card is None or version not in {None, version_id(card)}:
        known = ", ".join(f"{OWNER}/{each}" for each in models.cards)
        detail = f"This server has no such model; available are: {known}."
        raise Problem(ErrorCode.UNKNOWN_MODEL, detail, status=HTTPStatus.NOT_FOUND)
    return card


def model_of(models: ModelRegistry, version: str) -> str:
    """The name in what a request calls a version: an id, `owner/name`, or both with a colon.

    Raises `RequestError` (invalid_input).
    """
    name, _, given = version.rpartition(":")
    if not name and "/" in given:
        name, given = given, ""
    for card in models.cards.values():
        if name in {"", f"{OWNER}/{card.name}"} and given in {"", version_id(card)}:
            return card.name
    known = ", ".join(f"{OWNER}/{card}" for card in models.cards)
    message = f"is not a version of a model of this server; available are: {known}"
    raise invalid_field(FieldError("/version", message))


def _schema(model: type[Input]) -> dict[str, Any]:
    schema: dict[str, Any] = model.model_json_schema(ref_template=_REFS)
    return schema


def _openapi(card: Card) -> dict[str, Any]:
    schema = _schema(card.input)
    nested = schema.pop("$defs", {})
    own = {"Input": schema, "Output": {"type": "string", "format": "uri", "title": "Output"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": card.name, "version": VERSION},
        "paths": {},
        "components": {"schemas": nested | own},
    }


def _installed_at(card: Card) -> datetime:
    """When this version came to this server: the age of the file that describes its input."""
    file = Path(sys.modules[card.input.__module__].__file__ or sys.executable)
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)
