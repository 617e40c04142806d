"""Progress of a pull, push or verify: figures that never decrease and a smoothed rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SMOOTHING_SECONDS = 3.0
"""Time constant of the exponential moving average of the rate."""
WARMUP_SECONDS = 0.5
"""No rate is reported before this time."""


@dataclass(frozen=True)
class FileProgress:
    """Progress of one file."""

    path: str
    done: int
    total: int
    transferred: int = 0
    """Bytes transferred since this operation began; the rest of `done` was there before."""
    waiting: bool = False
    active: bool = False


@dataclass(frozen=True)
class TransferProgress:
    """Progress of all files of one operation at one moment."""

    file: str
    """Path of the first active file."""
    file_done: int
    file_total: int
    """0 while the size is unknown."""
    done_bytes: int
    """Over all files, including what was there before."""
    total_bytes: int
    bytes_per_second: float | None
    waiting: bool
    """Whether another process downloads this file while this one waits for it."""
    files: tuple[FileProgress, ...] = ()
    """All active files."""
    transferred_bytes: int = 0
    """Over all files, since this operation began."""


class ProgressMeter:
    """Combines the progress of files into a `TransferProgress`."""

    def __init__(self, now: float) -> None:
        self._highest: dict[str, int] = {}
        self._began = self._last = now
        self._transferred = 0
        self._rate = 0.0

    def read(self, files: Sequence[FileProgress], now: float) -> TransferProgress:
        """Combine the progress of all files of a selection, in order."""
        for file in files:
            self._highest[file.path] = max(self._highest.get(file.path, 0), file.done)
        self._update_rate(sum(file.transferred for file in files), now)
        pending = [file for file in files if self._highest[file.path] < file.total]
        current = next((file for file in files if file.active), (pending or files)[0])
        warm = now - self._began >= WARMUP_SECONDS
        return TransferProgress(
            file=current.path,
            file_done=self._highest[current.path],
            file_total=max(current.total, self._highest[current.path]),
            done_bytes=sum(self._highest.values()),
            total_bytes=sum(max(file.total, self._highest[file.path]) for file in files),
            bytes_per_second=self._rate if warm else None,
            waiting=current.waiting,
            files=tuple(file for file in files if file.active),
            transferred_bytes=self._transferred,
        )

    def _update_rate(self, transferred: int, now: float) -> None:
        """Update the moving average, bias-corrected so that the first samples count fully."""
        seconds = now - self._last
        if seconds <= 0:
            return
        rate = max(0, transferred - self._transferred) / seconds
        keep = math.exp(-seconds / SMOOTHING_SECONDS)
        past = 1 - math.exp(-(self._last - self._began) / SMOOTHING_SECONDS)
        whole = keep * past + (1 - keep)
        self._rate = (self._rate * keep * past + rate * (1 - keep)) / whole
        self._last, self._transferred = now, max(transferred, self._transferred)
