"""Limits equal lines in the log: a fault that repeats a thousand times a second fills no disk."""

from __future__ import annotations

import logging
import time
from typing import Any

MAX_LINES = 50
"""Warnings and errors with the same text in one window, of one logger."""
WINDOW_SECONDS = 10.0
MAX_TEXTS = 1000


class RepeatLimit(logging.Filter):
    """Drops warnings and errors beyond `MAX_LINES` of one text; the last one says so.

    Lines that differ in the fields of an event, or in the arguments of a message, have one text.
    Lines of level INFO, such as those of requests, are not limited.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[tuple[str, str], int] = {}
        self._window_ends = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write this record."""
        if record.levelno < logging.WARNING:
            return True
        now = time.monotonic()
        if now >= self._window_ends or len(self._counts) > MAX_TEXTS:
            self._counts.clear()
            self._window_ends = now + WINDOW_SECONDS
        key = record.name, _text(record.msg)
        self._counts[key] = count = self._counts.get(key, 0) + 1
        if count == MAX_LINES:
            _announce(record)
        return count <= MAX_LINES


def _text(message: Any) -> str:
    return str(message.get("event")) if isinstance(message, dict) else str(message)


def _announce(record: logging.LogRecord) -> None:
    """Say in the last line of a text that further ones follow unseen."""
    note = f"(further lines like this are dropped for up to {WINDOW_SECONDS:.0f} s)"
    if isinstance(record.msg, dict):
        record.msg = record.msg | {"event": f"{_text(record.msg)} {note}"}
    else:
        record.msg = f"{record.msg} {note}"
