"""The card of LatentSync with tiny weights that a test generates."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from models.latentsync_1_5.card import CARD

TINY = replace(
    CARD,
    name="tiny-latentsync",
    queue="tiny-latentsync",
    weights=Path(os.environ["LATENTSYNC_MANIFESTS"]) / "tiny-latentsync.toml",
    memory_bytes=0,
    runner="tests.models.latentsync.tiny:SpeakingRunner",
)
