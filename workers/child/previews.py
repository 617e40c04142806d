"""Previews and notes that a runner reports while it works. Nothing here fails a job."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = structlog.get_logger()

MAX_PREVIEW_BYTES = 200_000
MAX_NOTES_BYTES = 16_000
"""Of all notes of an attempt together, as JSON."""
_PAUSE_FACTOR = 9
"""After a preview that took 1 s to create comes a pause of 9 s: a tenth of the time at most."""
_JPEG_START = b"\xff\xd8\xff"


class PreviewBuffer:
    """The newest preview of an attempt, created in the runner's thread and stored by another.

    At most one per `interval_seconds`; 0 disables previews. A preview that cannot be created or
    used is dropped; only the first is logged.
    """

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds
        self._next = time.monotonic()
        self._newest: deque[bytes] = deque(maxlen=1)
        self._warned = False

    def offer(self, create: Callable[[], bytes]) -> None:
        """Create a preview now if one is due, else not at all."""
        began = time.monotonic()
        if not self._interval or began < self._next:
            return
        try:
            self._newest.append(_checked(create()))
        except Exception:
            if not self._warned:
                log.warning("preview dropped", exc_info=True)
            self._warned = True
        ended = time.monotonic()
        self._next = max(began + self._interval, ended + _PAUSE_FACTOR * (ended - began))

    def take(self) -> bytes | None:
        """Return the newest preview and remove it. None: no new one."""
        try:
            return self._newest.pop()
        except IndexError:
            return None


class JobNotes:
    """What one attempt has decided so far, such as its resolution, in a form that can be stored."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._warned = False

    def add(self, notes: Mapping[str, Any]) -> None:
        """Merge into the earlier notes; drop what the database cannot store, and log that once."""
        try:
            self.values = _storable({**self.values, **notes})
        except (TypeError, ValueError, RecursionError) as error:
            if not self._warned:
                log.warning("notes dropped", error=str(error))
            self._warned = True


def _checked(jpeg: bytes) -> bytes:
    if not isinstance(jpeg, bytes) or not jpeg.startswith(_JPEG_START):
        raise ValueError("a preview must be a JPEG, as bytes")
    if len(jpeg) > MAX_PREVIEW_BYTES:
        raise ValueError(f"a preview may have {MAX_PREVIEW_BYTES} bytes, not {len(jpeg)}")
    return jpeg


def _storable(notes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy that PostgreSQL accepts as jsonb: no NaN, no lone surrogate, no NUL."""
    text = json.dumps(notes, allow_nan=False, ensure_ascii=False)
    size = len(text.encode())
    if size > MAX_NOTES_BYTES:
        raise ValueError(f"notes may have {MAX_NOTES_BYTES} bytes, not {size}")
    if "\\u0000" in text:
        raise ValueError("notes must not contain NUL")
    copy: dict[str, Any] = json.loads(text)
    return copy
