"""The download plan of one file: which ranges are written, in flight, or waiting.

A plan has no threads and no clock: its owner holds a lock around each call and passes the time.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Range = tuple[int, int]

MIN_PART_BYTES = 4 * 1024 * 1024
"""Parts are shorter at the beginning and the end of a file, but not below this."""
SLOW_PART_SECONDS = 2.0
"""A part that needs longer than this at its own speed is split with an idle connection."""
MIN_SPLIT_BYTES = 512 * 1024
"""Half of a split part is at least this; what is shorter is taken over whole."""


@dataclass(eq=False)
class Part:
    """A range in flight or waiting. `end` moves down when another connection takes the rest."""

    offset: int
    """The next byte to write: all bytes of the part before it are written."""
    end: int
    started_offset: int = 0
    """Where the current connection began."""
    started_at: float = 0.0
    """When the current connection began."""

    @property
    def left(self) -> int:
        """Bytes still to download."""
        return self.end - self.offset

    def seconds_left(self, now: float) -> float:
        """Estimated time for the rest at the average speed so far; no byte yet counts as one."""
        done = max(1, self.offset - self.started_offset)
        return self.left * (now - self.started_at) / done


class DownloadPlan:
    """Assigns the missing ranges of a file, lowest offset first."""

    def __init__(
        self,
        size: int,
        part_bytes: int,
        written: Iterable[Range] = (),
        *,
        connections: int = 1,
        sequential: bool = False,
    ) -> None:
        self.size = size
        self._sequential = sequential
        if sequential:  # a source without ranges sends the whole file, and again after an error
            written = ()
        missing = missing_ranges(size, written)
        parts = missing if sequential else split_into_parts(missing, part_bytes, connections)
        self._waiting = [Part(*r) for r in parts]
        self._in_flight: set[Part] = set()
        self._left = sum(part.left for part in self._waiting)

    @property
    def done_bytes(self) -> int:
        """Bytes that are written, at any offset."""
        return self.size - self._left

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self._left

    @property
    def in_flight(self) -> int:
        """Number of parts in flight."""
        return len(self._in_flight)

    @property
    def contiguous_bytes(self) -> int:
        """All bytes before this offset are written."""
        if self._sequential:
            return self.size if self.complete else 0
        offsets = [part.offset for part in self._in_flight]
        if self._waiting:
            offsets.append(self._waiting[0].offset)
        return min(offsets, default=self.size)

    def next_part(self, now: float) -> Part | None:
        """Assign the first waiting part."""
        if not self._waiting:
            return None
        return self._start(self._waiting.pop(0), now)

    def split_slowest(self, now: float) -> Part | None:
        """Assign half of the part that would finish last, or all of it if little is left.

        None if no part would need longer than `SLOW_PART_SECONDS`.
        """
        if self._sequential:
            return None
        measured = [p for p in self._in_flight if now - p.started_at >= SLOW_PART_SECONDS]
        slowest = max(measured, key=lambda part: part.seconds_left(now), default=None)
        if slowest is None or slowest.seconds_left(now) < SLOW_PART_SECONDS:
            return None
        take_all = slowest.left < 2 * MIN_SPLIT_BYTES
        middle = slowest.offset if take_all else slowest.end - slowest.left // 2
        rest = Part(middle, slowest.end)
        slowest.end = middle
        if not slowest.left:
            self._in_flight.discard(slowest)
        return self._start(rest, now)

    def record_written(self, part: Part, count: int) -> Range:
        """Record written bytes of a part; return the range that was new."""
        new = (part.offset, min(part.offset + count, part.end))
        part.offset = new[1]
        self._left -= new[1] - new[0]
        if not part.left:
            self._in_flight.discard(part)
        return new

    def requeue(self, part: Part) -> None:
        """Put the missing rest of a part back in the queue."""
        if part in self._in_flight:
            self._in_flight.discard(part)
            if self._sequential:
                part.offset, self._left = 0, self.size
            insort(self._waiting, Part(part.offset, part.end), key=lambda other: other.offset)

    def _start(self, part: Part, now: float) -> Part:
        part.started_offset, part.started_at = part.offset, now
        self._in_flight.add(part)
        return part


def missing_ranges(size: int, written: Iterable[Range]) -> list[Range]:
    """Return the gaps between ranges, which may overlap."""
    missing, offset = [], 0
    for start, end in sorted(written):
        if start > offset:
            missing.append((offset, start))
        offset = max(offset, end)
    if offset < size:
        missing.append((offset, size))
    return missing


def split_into_parts(
    missing: Iterable[Range], part_bytes: int, connections: int
) -> Iterator[Range]:
    """Split missing ranges into parts of at most `part_bytes`, with short ones first and last.

    Hashing follows the slowest part in file order: short parts let it begin early and leave it
    little to do once the last byte arrives.
    """
    missing = list(missing)
    planned, left = 0, sum(end - start for start, end in missing)
    for first, end in missing:
        start = first
        while start < end:
            length = max(MIN_PART_BYTES, min(planned, left) // (2 * connections))
            stop = min(start + min(length, part_bytes), end)
            yield start, stop
            planned, left = planned + stop - start, left - (stop - start)
            start = stop
