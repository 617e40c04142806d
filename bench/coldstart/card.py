"""The cards of the benchmark's models: networks in full size with random weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.coldstart.settings import ColdstartSettings
from models.inspyrenet.card import CARD as INSPYRENET
from models.spec import License
from models.wav2lip.card import CARD as WAV2LIP

if TYPE_CHECKING:
    from models.spec import Card


def _cold(card: Card) -> Card:
    return replace(
        card,
        name="cold",
        queue="cold",
        license=License("Apache-2.0", commercial="yes"),
        weights=ColdstartSettings().manifest,
    )


COLD_WAV2LIP = _cold(WAV2LIP)
COLD_INSPYRENET = _cold(INSPYRENET)
