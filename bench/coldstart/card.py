"""The card of the benchmark's model: the Wav2Lip network in full size with random weights."""

from __future__ import annotations

from dataclasses import replace

from bench.coldstart.settings import ColdstartSettings
from models.spec import License
from models.wav2lip.card import CARD as WAV2LIP

CARD = replace(
    WAV2LIP,
    name="cold",
    queue="cold",
    license=License("Apache-2.0", commercial="yes"),
    weights=ColdstartSettings().manifest,
)
