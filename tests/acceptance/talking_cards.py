"""Cards of the talking pictures with tiny weights that a test generates and a fake Hub serves."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from models.infinitetalk.card import CARD as INFINITETALK
from models.multitalk.card import CARD as MULTITALK

_MANIFESTS = Path(os.environ["TALKING_MANIFESTS"])
_RUNNERS = "tests.models.multitalk.running"


def _tiny(card, name, runner=None):
    return replace(
        card,
        name=name,
        queue=name,
        weights=_MANIFESTS / f"{name}.toml",
        memory_bytes=0,
        runner=f"{_RUNNERS}:{runner or card.name}",
    )


TINY = _tiny(MULTITALK, "tiny-multitalk")
TINY_GGUF = _tiny(MULTITALK, "tiny-multitalk-gguf")
TINY_SPEAKING = _tiny(MULTITALK, "tiny-multitalk-text", "SpeakingRunner")
TINY_INFINITE = _tiny(INFINITETALK, "tiny-infinitetalk")
