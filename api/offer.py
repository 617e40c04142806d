"""The models that callers may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from jobs.errors import Code, Fault, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.spec import Card


@dataclass(frozen=True)
class Offer:
    """The cards of this server, and whose licenses its operator has accepted."""

    cards: Mapping[str, Card]
    accepted: frozenset[str]

    def accepts(self, card: Card) -> bool:
        """Whether the terms of the weights allow to run this model here."""
        return card.license.commercial or card.name in self.accepted

    def wanted(self, model: str) -> Card:
        """The card for a new job. Raises `Problem` when there is none, or it may not be used."""
        card = self.cards.get(model)
        if card is None:
            fault = Fault("/model", f"is not a model of this server; there are: {self._names()}")
            raise Problem(Code.UNKNOWN_MODEL, f"{model!r} {fault.message}.", faults=(fault,))
        if not self.accepts(card):
            detail = (
                f"The weights of {model} are licensed {card.license.name}: the operator must "
                "accept that in FRAMEMILL_ACCEPT_LICENSES first."
            )
            raise Problem(Code.LICENSE_NOT_ACCEPTED, detail, HTTPStatus.FORBIDDEN)
        return card

    def shown(self, name: str) -> Card:
        """The card of this name. Raises a 404 `Problem`."""
        if name not in self.cards:
            detail = f"There is no such model; there are: {self._names()}."
            raise Problem(Code.UNKNOWN_MODEL, detail, HTTPStatus.NOT_FOUND)
        return self.cards[name]

    def license_of(self, model: str) -> str:
        """The license of a model's weights, also of one that is no longer on offer."""
        card = self.cards.get(model)
        return card.license.name if card else "unknown"

    def _names(self) -> str:
        return ", ".join(self.cards)
