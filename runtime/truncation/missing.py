"""What a media file lacks at its end."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from typing import BinaryIO

MIN_SECONDS: Final = 0.1
"""Less than this is no loss: some recorders count their header as sound."""
MAX_READS: Final = 10_000
"""Of one file: 5 to 25 ms. A recording of 80 minutes in fragments of a second takes as many."""


@dataclass(frozen=True)
class Missing:
    """The end of a file that its header promises; seconds are None if they are not known."""

    size_bytes: int
    seconds: float | None = None
    of_seconds: float | None = None
    has_index: bool = True
    """False: nothing can be played, for the index (`moov`) of an MP4 is at its end."""

    def __str__(self) -> str:
        if not self.has_index:
            return (
                "the file is cut off: it has no index (`moov`), as after a recording or a download "
                "that ended early"
            )
        if self.seconds is None:
            return f"the file is cut off: its last {self.size_bytes:,} bytes are missing"
        whole = "" if self.of_seconds is None else f" of {self.of_seconds:.1f}"
        return f"the file is cut off: the last {self.seconds:.1f}{whole} seconds are missing"


def share(missing: int, length: int, seconds: float | None) -> Missing | None:
    """What `missing` of `length` bytes are of so many seconds; None if it is no loss."""
    if missing <= 0:
        return None
    if not seconds or seconds < 0 or not math.isfinite(seconds):
        return Missing(missing)
    lost = min(missing / length, 1.0) * seconds
    return Missing(missing, lost, seconds) if lost >= MIN_SECONDS else None


class Bytes:
    """Reads numbers of a file. What lies beyond its end is a `struct.error`.

    So is the read after `MAX_READS`, which is that of a file made of tiny pieces: a few minutes
    of work for one upload would keep the others waiting.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size
        self.reads = 0

    def read(self, at: int, count: int) -> bytes:
        """Up to `count` bytes."""
        if self.reads == MAX_READS:
            raise struct.error("too many pieces to be judged")
        self.reads += 1
        self._file.seek(at)
        return self._file.read(count)

    def unpack(self, at: int, form: str) -> tuple[Any, ...]:
        """Values of a `struct` format."""
        return struct.unpack(form, self.read(at, struct.calcsize(form)))
