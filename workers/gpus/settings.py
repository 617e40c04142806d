"""The setting that decides whether one worker is started or several. Read before any import."""

from __future__ import annotations

import os


def requested_gpus() -> str | None:
    """What `KINOMILL_GPUS` says. None: one worker, on whatever GPU there is."""
    return os.environ.get("KINOMILL_GPUS", "").strip() or None
