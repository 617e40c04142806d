"""The models that callers may ask for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from api.errors.problems import Problem
from jobs.errors import ErrorCode, FieldError, RequestError

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
            message = f"is not a model of this server; there are: {self._names()}"
            error = FieldError("/model", message)
            raise RequestError(ErrorCode.UNKNOWN_MODEL, f"{model!r} {message}.", errors=(error,))
        self._check_license(card)
        return card

    def shown(self, name: str) -> Card:
        """The card of this name. Raises a 404 `Problem`."""
        if name not in self.cards:
            detail = f"There is no such model; there are: {self._names()}."
            raise Problem(ErrorCode.UNKNOWN_MODEL, detail, status=HTTPStatus.NOT_FOUND)
        return self.cards[name]

    def with_weights(self, name: str) -> Card:
        """The card of a model whose weights may come. Raises a 404, 403 or 409 `Problem`."""
        card = self.shown(name)
        self._check_license(card)
        if card.weights is None:
            detail = f"{name} has no weights: there is nothing to fetch."
            raise RequestError(ErrorCode.MODEL_WITHOUT_WEIGHTS, detail)
        return card

    def license_of(self, model: str) -> str:
        """The license of a model's weights, also of one that is no longer on offer."""
        card = self.cards.get(model)
        return card.license.name if card else "unknown"

    def _check_license(self, card: Card) -> None:
        if self.accepts(card):
            return
        accepted = json.dumps(sorted({*self.accepted, card.name}))
        detail = (
            f"The weights of {card.name} are licensed {card.license.name}, for non-commercial use: "
            f"the operator accepts that with KINOMILL_ACCEPT_LICENSES='{accepted}'."
        )
        raise RequestError(ErrorCode.LICENSE_NOT_ACCEPTED, detail)

    def _names(self) -> str:
        return ", ".join(self.cards)
