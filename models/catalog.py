"""The models that Framemill knows: an explicit list, nothing is scanned."""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from models.preview_lipsync.card import CARD as PREVIEW_LIPSYNC
from models.spec import Card

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CARDS: Final[Mapping[str, Card]] = MappingProxyType(
    {card.name: card for card in (PREVIEW_LIPSYNC,)}
)
"""Every card of this package by its name, the default model first."""


class UnknownModel(LookupError):
    """No card has this name: ask `GET /v1/models` or `framemill models list` for those known."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no model {name!r}; known: {', '.join(CARDS)}")
        self.name = name


def get(name: str) -> Card:
    """The card of a model of this package."""
    try:
        return CARDS[name]
    except KeyError:
        raise UnknownModel(name) from None


def cards(names: Iterable[str]) -> dict[str, Card]:
    """The cards that an operator names, in that order.

    A name is one of this package's, or the place of the operator's own card as
    `package.module:CARD`. Only the operator's settings may name a place: it is imported.
    """
    chosen = [_placed(name) if ":" in name else get(name) for name in names]
    return {card.name: card for card in chosen}


def _placed(place: str) -> Card:
    module, _, attribute = place.partition(":")
    try:
        card = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise UnknownModel(place) from error
    if not isinstance(card, Card):
        raise UnknownModel(place)
    return card
