"""No weights are pulled, loaded or run against terms that the operator has not accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.errors import AttemptFailed, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.spec import Card


def check(card: Card, accepted: frozenset[str]) -> None:
    """Refuse a job of a model that may not be used here. Raises `AttemptFailed`."""
    for sentence in violations([card], accepted):
        raise AttemptFailed(ErrorCode.LICENSE_NOT_ACCEPTED, sentence)


def violations(cards: Iterable[Card], accepted: frozenset[str]) -> Iterator[str]:
    """One sentence for each model that may not be used, with its remedy."""
    for card in cards:
        if not card.license.commercial and card.name not in accepted:
            yield (
                f"The weights of {card.name} are licensed {card.license.name}, for non-commercial "
                f"use: accept that by naming {card.name!r} in KINOMILL_ACCEPT_LICENSES."
            )
