"""The plan of one file: which ranges are there, on their way, or still to be asked for.

A plan knows no thread and no clock: its owner holds a lock around each call and brings the time.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Range = tuple[int, int]

LEAST_PART = 4 * 1024 * 1024
"""Parts are shorter at the beginning and the end of a file, but not below this."""
LATE_SECONDS = 2.0
"""A part that will take longer than this at its own speed is shared with an idle connection."""
LEAST_SHARE = 512 * 1024
"""Less than this is not shared but taken over whole."""


@dataclass(eq=False)
class Part:
    """A range on its way, or waiting. `end` may come nearer while another takes a share of it."""

    at: int
    """The next byte to come: all before it is written."""
    end: int
    began: int = 0
    """Where this connection began."""
    since: float = 0.0
    """When this connection began."""

    @property
    def left(self) -> int:
        """Bytes that are still to come."""
        return self.end - self.at

    def seconds_left(self, now: float) -> float:
        """How long the rest takes at the speed so far; nothing yet counts as a byte."""
        return self.left * (now - self.since) / max(1, self.at - self.began)


class Parts:
    """Deals out the missing ranges of a file, the first first."""

    def __init__(
        self,
        size: int,
        part_bytes: int,
        have: Iterable[Range] = (),
        *,
        connections: int = 1,
        whole: bool = False,
    ) -> None:
        self.size = size
        self._whole = whole
        if whole:  # the source can give no parts: all of it in order, or all of it again
            have = ()
        missing = gaps(size, have)
        self._waiting = [
            Part(*r) for r in (missing if whole else cut(missing, part_bytes, connections))
        ]
        self._coming: set[Part] = set()
        self._left = sum(part.left for part in self._waiting)

    @property
    def done_bytes(self) -> int:
        """Bytes that are written, wherever they are."""
        return self.size - self._left

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self._left

    @property
    def coming(self) -> int:
        """How many parts are on their way."""
        return len(self._coming)

    @property
    def frontier(self) -> int:
        """All bytes before this one are written."""
        if self._whole:
            return self.size if self.complete else 0
        first = [part.at for part in self._coming]
        if self._waiting:
            first.append(self._waiting[0].at)
        return min(first, default=self.size)

    def take(self, now: float) -> Part | None:
        """Give out the first part that waits."""
        if not self._waiting:
            return None
        return self._begin(self._waiting.pop(0), now)

    def share(self, now: float) -> Part | None:
        """Give out half of the part that will be the last to come, if it is late; or all."""
        if self._whole:
            return None
        known = [part for part in self._coming if now - part.since >= LATE_SECONDS]
        slow = max(known, key=lambda part: part.seconds_left(now), default=None)
        if slow is None or slow.seconds_left(now) < LATE_SECONDS:
            return None
        middle = slow.at if slow.left < 2 * LEAST_SHARE else slow.end - slow.left // 2
        rest = Part(middle, slow.end)
        slow.end = middle
        if not slow.left:
            self._coming.discard(slow)
        return self._begin(rest, now)

    def wrote(self, part: Part, count: int) -> Range:
        """Note bytes of a part as written; return what of it was new."""
        came = (part.at, min(part.at + count, part.end))
        part.at = came[1]
        self._left -= came[1] - came[0]
        if not part.left:
            self._coming.discard(part)
        return came

    def give_back(self, part: Part) -> None:
        """Let what is missing of a part be fetched again."""
        if part in self._coming:
            self._coming.discard(part)
            if self._whole:
                part.at, self._left = 0, self.size
            insort(self._waiting, Part(part.at, part.end), key=lambda other: other.at)

    def _begin(self, part: Part, now: float) -> Part:
        part.began, part.since = part.at, now
        self._coming.add(part)
        return part


def gaps(size: int, have: Iterable[Range]) -> list[Range]:
    """What is missing between ranges, which may overlap."""
    missing, at = [], 0
    for start, end in sorted(have):
        if start > at:
            missing.append((at, start))
        at = max(at, end)
    if at < size:
        missing.append((at, size))
    return missing


def cut(missing: Iterable[Range], most: int, connections: int) -> Iterator[Range]:
    """Cut what is missing into parts of at most `most` bytes, short ones first and last.

    The digest runs behind the slowest part: so it can begin soon, and has little left to do when
    the last byte comes.
    """
    missing = list(missing)
    dealt, left = 0, sum(end - start for start, end in missing)
    for first, end in missing:
        start = first
        while start < end:
            length = max(LEAST_PART, min(dealt, left) // (2 * connections))
            stop = min(start + min(length, most), end)
            yield start, stop
            dealt, left = dealt + stop - start, left - (stop - start)
            start = stop
