"""The card of LatentSync with tiny weights that a test generates."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from models.latentsync_1_5.card import CARD

_MANIFESTS = Path(os.environ["LATENTSYNC_MANIFESTS"])


def _tiny(name):
    return replace(
        CARD,
        name=name,
        queue=name,
        weights=_MANIFESTS / f"{name}.toml",
        memory_bytes=0,
        runner="tests.models.latentsync.tiny:SpeakingRunner",
    )


TINY = _tiny("tiny-latentsync")
PAGE, CUT, OLD = map(_tiny, ("page", "cut", "old"))
