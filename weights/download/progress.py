"""How far a pull is, for people: figures that never go back, and a speed that does not jump."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SMOOTH_SECONDS = 3.0
"""What came longer ago counts for little in the speed."""
SETTLE_SECONDS = 0.5
"""Before this no speed is told."""


@dataclass(frozen=True)
class Count:
    """What one file says of itself at this moment."""

    path: str
    done: int
    total: int
    moved: int = 0
    """Bytes that came since this pull began; the rest of `done` was there before."""
    waiting: bool = False
    active: bool = False


@dataclass(frozen=True)
class Progress:
    """One look at a pull."""

    file: str
    """Path of the first file that is on its way."""
    file_done: int
    file_total: int
    """0 as long as nobody knows."""
    done_bytes: int
    """Over all files, with what was there before."""
    total_bytes: int
    bytes_per_second: float | None
    waiting: bool
    """Whether another process fetches this file, and we watch."""
    files: tuple[Count, ...] = ()
    """All that are on their way."""


class Meter:
    """Turns counts of files into progress."""

    def __init__(self, now: float) -> None:
        self._most: dict[str, int] = {}
        self._began = self._last = now
        self._moved = 0
        self._speed = 0.0

    def read(self, counts: Sequence[Count], now: float) -> Progress:
        """Look at all files of a selection, in order."""
        for count in counts:
            self._most[count.path] = max(self._most.get(count.path, 0), count.done)
        self._hear(sum(count.moved for count in counts), now)
        pending = [count for count in counts if self._most[count.path] < count.total]
        shown = next((c for c in counts if c.active), (pending or counts)[0])
        settled = now - self._began >= SETTLE_SECONDS
        return Progress(
            file=shown.path,
            file_done=self._most[shown.path],
            file_total=max(shown.total, self._most[shown.path]),
            done_bytes=sum(self._most.values()),
            total_bytes=sum(max(c.total, self._most[c.path]) for c in counts),
            bytes_per_second=self._speed if settled else None,
            waiting=shown.waiting,
            files=tuple(count for count in counts if count.active),
        )

    def _hear(self, moved: int, now: float) -> None:
        """Take in the bytes since the last look, weighted so that the first looks count fully."""
        seconds = now - self._last
        if seconds <= 0:
            return
        speed = max(0, moved - self._moved) / seconds
        keep = math.exp(-seconds / SMOOTH_SECONDS)
        past = 1 - math.exp(-(self._last - self._began) / SMOOTH_SECONDS)
        whole = keep * past + (1 - keep)
        self._speed = (self._speed * keep * past + speed * (1 - keep)) / whole
        self._last, self._moved = now, max(moved, self._moved)
