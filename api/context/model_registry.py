"""The models that this server accepts jobs for."""

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
class ModelRegistry:
    """Cards by name, and the models whose licenses the operator has accepted."""

    cards: Mapping[str, Card]
    accepted_licenses: frozenset[str]

    def license_accepted(self, card: Card) -> bool:
        """Whether the license of the weights allows running this model here."""
        return not card.license.must_accept or card.name in self.accepted_licenses

    def require_submittable(self, name: str) -> Card:
        """The card for a new job. Raises `RequestError`: unknown_model or license_not_accepted."""
        card = self.cards.get(name)
        if card is None:
            message = f"is not a model of this server; available are: {self._names()}"
            error = FieldError("/model", message)
            raise RequestError(ErrorCode.UNKNOWN_MODEL, f"{name!r} {message}.", errors=(error,))
        self._require_license(card)
        return card

    def get_or_404(self, name: str) -> Card:
        """The card of this name. Raises `Problem` (unknown_model, 404)."""
        if name not in self.cards:
            detail = f"This server has no such model; available are: {self._names()}."
            raise Problem(ErrorCode.UNKNOWN_MODEL, detail, status=HTTPStatus.NOT_FOUND)
        return self.cards[name]

    def require_weights(self, name: str) -> Card:
        """The card of a model whose weights may be downloaded.

        Raises `RequestError`: unknown_model, license_not_accepted or model_without_weights.
        """
        card = self.get_or_404(name)
        self._require_license(card)
        if card.weights is None:
            detail = f"{name} has no weights, so there is nothing to download."
            raise RequestError(ErrorCode.MODEL_WITHOUT_WEIGHTS, detail)
        return card

    def license_name(self, model: str) -> str:
        """The license of a model's weights; "unknown" for a model that was removed."""
        card = self.cards.get(model)
        return card.license.name if card else "unknown"

    def _require_license(self, card: Card) -> None:
        if self.license_accepted(card):
            return
        accepted = json.dumps(sorted({*self.accepted_licenses, card.name}))
        detail = (
            f"The weights of {card.name} are licensed {card.license.terms}. "
            f"The operator accepts that with KINOMILL_ACCEPT_LICENSES='{accepted}'."
        )
        raise RequestError(ErrorCode.LICENSE_NOT_ACCEPTED, detail)

    def _names(self) -> str:
        return ", ".join(self.cards)
