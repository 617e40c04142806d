"""Names in settings that nothing has: models, profiles of their weights, folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.settings import ApiSettings
from models import catalog
from workers.settings import WorkerSettings
from workers.shared.served_models import UNKNOWN_NAME, check_profiles, ineffective_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.settings import Settings


def wrong_names(settings: Settings) -> Iterator[str]:
    """A sentence for each name with which the program of these settings would not start."""
    if not isinstance(settings, ApiSettings | WorkerSettings):
        return
    variable = "KINOMILL_MODELS"
    try:
        cards = catalog.select_cards(settings.models)
        variable = "KINOMILL_WEIGHTS_PROFILES"
        if isinstance(settings, WorkerSettings):
            check_profiles(settings, cards)
    except UNKNOWN_NAME as error:
        yield f"{variable}: {error}"


def ineffective_names(settings: Settings) -> list[str]:
    """A sentence for each name that would only be logged. `wrong_names` has found none."""
    if not isinstance(settings, ApiSettings | WorkerSettings):
        return []
    cards = catalog.select_cards(settings.models)
    if isinstance(settings, WorkerSettings):
        return ineffective_settings(settings, cards)
    return catalog.unknown_licenses(settings.accept_licenses, cards)
