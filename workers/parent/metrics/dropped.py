"""Messages that were dropped, because none of our programs can have written them."""

from __future__ import annotations

import structlog

log = structlog.get_logger()

_count = 0


def drop(what: str) -> None:
    """Count a message and say what it was."""
    global _count
    _count += 1
    log.error("forged or broken message dropped", task=what, dropped=_count)


def dropped_messages() -> int:
    """How many messages this process has dropped."""
    return _count
