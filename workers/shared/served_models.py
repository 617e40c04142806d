"""Which models a worker serves, which of them on demand, and the time limit of an attempt."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from models import catalog

if TYPE_CHECKING:
    from models.spec import Card
    from workers.settings import WorkerSettings


def served_cards(settings: WorkerSettings) -> dict[str, Card]:
    """Return the cards of the worker's models by name. Raises `UnknownModel`."""
    return catalog.select_cards(settings.models)


def on_demand_names(settings: WorkerSettings) -> frozenset[str]:
    """Return the names of the models that the first job for them pulls and loads."""
    return frozenset(catalog.select_cards(settings.on_demand))


def attempt_time_limit(card: Card, settings: WorkerSettings) -> timedelta:
    """Return when an attempt is killed: later if it may have to pull its model's weights first."""
    pulls = card.weights is not None and card.name in on_demand_names(settings)
    return card.time_limit + (settings.pull_window if pulls else timedelta(0))
