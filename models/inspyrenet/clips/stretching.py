"""From logits to opacity: stretched to the full range by the frames around each one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from models.inspyrenet.saliency import FOUND, sigmoid, stretched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from models.inspyrenet.clips.input import Normalize
    from models.inspyrenet.clips.map_frame import MapFrame

AROUND: Final = 12
"""Frames before and after one that decide its range: a second in all, at 25 a second."""
EMPTY_AROUND: Final = 2
"""Frames before and after one that decide whether it is empty, so that a single one in which the
network finds nothing, or finds noise, does not flash."""
LOWEST: Final = 5
HIGHEST: Final = 95
"""Percentiles of the lowest and the highest values of the frames around."""
HELD_BYTES: Final = 256 * 1024 * 1024
"""Frames that wait for those after them. Larger ones look less far ahead."""


@dataclass(frozen=True)
class Matte:
    """A frame with its opacity."""

    frame: MapFrame
    values: NDArray[np.float32]
    """`(H, W)` in 0..1, at the size of the logits."""
    empty: bool
    """Whether the network found nothing there."""


@dataclass(frozen=True)
class _Range:
    """The lowest and the highest probability of a frame."""

    low: float
    high: float


@dataclass(frozen=True)
class _Entry:
    frame: MapFrame
    values: NDArray[np.float32]
    range: _Range


Convert = Callable[[_Entry, list[_Range], bool], "NDArray[np.float32]"]


def stretch(frames: Iterable[MapFrame], normalize: Normalize) -> Iterator[Matte]:
    """The opacity of each frame, up to `AROUND` frames later; nothing crosses a cut."""
    window = _Window(_CONVERSIONS[normalize])
    for frame in frames:
        if frame.begins_scene:
            yield from window.rest()
        yield from window.add(frame)
    yield from window.rest()


class _Window:
    """Frames of one scene that wait for those after them, and the ranges of those before."""

    def __init__(self, convert: Convert) -> None:
        self._convert = convert
        self._before: deque[_Range] = deque(maxlen=AROUND)
        self._pending: deque[_Entry] = deque()

    def add(self, frame: MapFrame) -> Iterator[Matte]:
        """Add a frame, and return the one that has waited long enough."""
        values = sigmoid(frame.logits)
        reach = _Range(float(values.min()), float(values.max()))
        self._pending.append(_Entry(frame, values, reach))
        if len(self._pending) > _ahead(frame):
            yield self._take()

    def rest(self) -> Iterator[Matte]:
        """All frames that wait; the scene ends."""
        while self._pending:
            yield self._take()
        self._before.clear()

    def _take(self) -> Matte:
        ahead = [entry.range for entry in self._pending]
        near = [*list(self._before)[-EMPTY_AROUND:], *ahead[: EMPTY_AROUND + 1]]
        empty = median(each.high for each in near) < FOUND
        entry = self._pending.popleft()
        values = self._convert(entry, [*self._before, *ahead], empty)
        self._before.append(entry.range)
        return Matte(entry.frame, values, empty)


def _ahead(frame: MapFrame) -> int:
    held = frame.rgb.nbytes + 2 * frame.logits.nbytes
    return max(EMPTY_AROUND, min(AROUND, HELD_BYTES // held))


def _by_clip(entry: _Entry, around: list[_Range], empty: bool) -> NDArray[np.float32]:
    if empty:
        return np.zeros_like(entry.values)
    found = [each for each in around if each.high >= FOUND] or [entry.range]
    low = np.float32(np.percentile([each.low for each in found], LOWEST))
    high = np.float32(np.percentile([each.high for each in found], HIGHEST))
    return stretched(entry.values, low, high)


def _by_frame(entry: _Entry, around: list[_Range], empty: bool) -> NDArray[np.float32]:
    return stretched(entry.values, np.float32(entry.range.low), np.float32(entry.range.high))


def _not_at_all(entry: _Entry, around: list[_Range], empty: bool) -> NDArray[np.float32]:
    return entry.values


_CONVERSIONS: Final[dict[str, Convert]] = {
    "clip": _by_clip,
    "frame": _by_frame,
    "none": _not_at_all,
}
