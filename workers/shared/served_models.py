"""Which models a worker serves, which of them on demand, and the time limit of an attempt."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from models import catalog
from weights.errors import ManifestInvalid
from weights.manifest import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.spec import Card
    from workers.settings import WorkerSettings


UNKNOWN_NAME = (catalog.UnknownModel, ManifestInvalid)
"""Errors for a model, and for a profile of its weights, that a setting misspells."""


def served_cards(settings: WorkerSettings) -> dict[str, Card]:
    """Return the cards of the worker's models by name. Raises `UnknownModel`."""
    return catalog.select_cards(settings.models)


def on_demand_names(settings: WorkerSettings) -> frozenset[str]:
    """Return the names of the models that the first job for them pulls and loads."""
    return frozenset(catalog.select_cards(settings.on_demand))


def check_profiles(settings: WorkerSettings, cards: Mapping[str, Card]) -> None:
    """Raise one of `UNKNOWN_NAME` for a name in KINOMILL_WEIGHTS_PROFILES that nothing has."""
    catalog.require_known(settings.weights_profiles, cards)
    for name, profile in settings.weights_profiles.items():
        if name in cards and (path := cards[name].weights) is not None:
            manifest.load(path).select(profile)


def ineffective_settings(settings: WorkerSettings, cards: Mapping[str, Card]) -> list[str]:
    """A sentence for each name in a setting that nothing here has."""
    licenses = catalog.unknown_licenses(settings.accept_licenses, cards)
    return [*licenses, *settings.missing_folders()]


def attempt_time_limit(card: Card, settings: WorkerSettings) -> timedelta:
    """Return when an attempt is killed: later if it may have to pull its model's weights first."""
    pulls = card.weights is not None and card.name in on_demand_names(settings)
    return card.time_limit + (settings.pull_window if pulls else timedelta(0))
