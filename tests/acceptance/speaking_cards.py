"""Cards of models with tiny weights that speak a text with Kokoro itself."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from models.latentsync_1_5.card import CARD as LATENTSYNC
from models.multitalk.card import CARD as MULTITALK
from models.musetalk.card import CARD as MUSETALK


def _tiny(card, runner=None):
    return replace(
        card,
        weights=Path(os.environ["SPEAKING_MANIFESTS"]) / f"{card.name}.toml",
        memory_bytes=0,
        runner=runner or card.runner,
    )


TINY_MULTITALK = _tiny(MULTITALK, "tests.models.multitalk.running:multitalk")
TINY_LATENTSYNC = _tiny(LATENTSYNC, "tests.models.latentsync.tiny:small")
TINY_MUSETALK = _tiny(MUSETALK)
