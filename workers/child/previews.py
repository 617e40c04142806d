"""What a runner shows of its work: pictures now and then, and notes. Nothing here fails a job."""

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
_IDLE_FACTOR = 9
"""After a preview that took a second none is made for nine: a tenth of the time at most."""
_JPEG = b"\xff\xd8\xff"


class PreviewBuffer:
    """The previews of one attempt, made in the runner's thread and taken by another.

    At most one in `period_seconds`; 0: never. One that cannot be made or used is dropped, with
    one warning for all of them.
    """

    def __init__(self, period_seconds: float) -> None:
        self._period = period_seconds
        self._next = time.monotonic()
        self._latest: deque[bytes] = deque(maxlen=1)
        self._warned = False

    def offer(self, make: Callable[[], bytes]) -> None:
        """Make a preview now if it is time for one, else not at all."""
        began = time.monotonic()
        if not self._period or began < self._next:
            return
        try:
            self._latest.append(_checked(make()))
        except Exception:
            if not self._warned:
                log.warning("preview dropped", exc_info=True)
            self._warned = True
        ended = time.monotonic()
        self._next = max(began + self._period, ended + _IDLE_FACTOR * (ended - began))

    def take(self) -> bytes | None:
        """The newest preview, if there is one that was not taken yet."""
        try:
            return self._latest.pop()
        except IndexError:
            return None


class JobNotes:
    """What one attempt settled so far, ready to be stored as JSON."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._warned = False

    def add(self, notes: Mapping[str, Any]) -> None:
        """Add to those before; what the record could not keep is dropped, with one warning."""
        try:
            self.values = _storable({**self.values, **notes})
        except (TypeError, ValueError, RecursionError) as error:
            if not self._warned:
                log.warning("notes dropped", error=str(error))
            self._warned = True


def _checked(jpeg: bytes) -> bytes:
    if not isinstance(jpeg, bytes) or not jpeg.startswith(_JPEG):
        raise ValueError("a preview is a JPEG, as bytes")
    if len(jpeg) > MAX_PREVIEW_BYTES:
        raise ValueError(f"a preview has at most {MAX_PREVIEW_BYTES} bytes, not {len(jpeg)}")
    return jpeg


def _storable(notes: dict[str, Any]) -> dict[str, Any]:
    """A copy that PostgreSQL takes for jsonb: no NaN, no lone surrogate, no NUL."""
    text = json.dumps(notes, allow_nan=False, ensure_ascii=False)
    if len(text.encode()) > MAX_NOTES_BYTES:
        raise ValueError(f"notes have at most {MAX_NOTES_BYTES} bytes, not {len(text)}")
    if "\\u0000" in text:
        raise ValueError("notes hold no NUL")
    copy: dict[str, Any] = json.loads(text)
    return copy
