"""Joins several clips to one: in the frames that two share, colors are matched and crossfaded.

A segment begins with the frame that is `overlap` frames before the end of the segment before it,
so both show the same moments there. The whole has n * frames - (n - 1) * overlap frames.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]

_GAIN: Final = (0.8, 1.25)
"""Limits for the change of a channel's contrast: frames without detail would give extreme ones."""


@dataclass(frozen=True)
class ColorMatch:
    """A lookup table for each channel that maps the colors of one segment to those of another."""

    table: NDArray[np.uint8]
    """`(1, 256, 3)`: the new value of each old one."""

    @classmethod
    def fit(cls, new: Sequence[Frame], old: Sequence[Frame]) -> ColorMatch:
        """Match mean and standard deviation of each channel of the new frames to the old ones."""
        (mean, spread), (old_mean, old_spread) = _mean_and_deviation(new), _mean_and_deviation(old)
        gain = np.clip(old_spread / np.maximum(spread, 1e-3), *_GAIN)
        values = np.arange(256)[None, :, None]
        table = (values - mean) * gain + old_mean
        return cls((table.clip(0, 255) + 0.5).astype(np.uint8))

    def __call__(self, frame: Frame) -> Frame:
        """Return the frame with matched colors."""
        return np.asarray(cv2.LUT(frame, self.table), dtype=np.uint8)


class TailBuffer:
    """Holds back the last frames of a segment, for blending with the next one."""

    def __init__(self, count: int) -> None:
        self.frames: deque[Frame] = deque()
        self._count = count

    def hold_back(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the frames in order, `count` frames late; the last ones stay in `frames`."""
        for frame in frames:
            self.frames.append(frame)
            if len(self.frames) > self._count:
                yield self.frames.popleft()


def join(frames: Iterator[Frame], before: Sequence[Frame]) -> Iterator[Frame]:
    """Yield the frames of a segment, blended with `before`, the end of the previous segment."""
    opening = [frame for _, frame in zip(before, frames, strict=False)]
    match = ColorMatch.fit(opening, before)
    yield from crossfade(before, [match(frame) for frame in opening])
    for frame in frames:
        yield match(frame)


def crossfade(old: Sequence[Frame], new: Sequence[Frame]) -> Iterator[Frame]:
    """Yield frames that fade from the old ones to the new ones."""
    for index, (before, after) in enumerate(zip(old, new, strict=True), start=1):
        share = index / (len(old) + 1)
        yield np.asarray(cv2.addWeighted(before, 1 - share, after, share, 0), dtype=np.uint8)


def _mean_and_deviation(
    frames: Sequence[Frame],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pixels = np.stack(frames).reshape(-1, 3)
    return pixels.mean(axis=0, dtype=np.float64), pixels.std(axis=0, dtype=np.float64)
