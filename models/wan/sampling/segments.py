"""Several clips as one: where two share frames, colors are matched and one fades into the other.

A segment begins with the frame that the one before it shows `overlap` frames before its end, so
both show the same moments there. The whole has n * frames - (n - 1) * overlap frames.
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
"""A color's contrast is changed by no more than this: two flat pictures say little of it."""


@dataclass(frozen=True)
class Match:
    """What makes the colors of one segment those of another: a table for each channel."""

    table: NDArray[np.uint8]
    """`(1, 256, 3)`: the new value of each old one."""

    @classmethod
    def of(cls, new: Sequence[Frame], old: Sequence[Frame]) -> Match:
        """Mean and deviation of each channel of the new frames become those of the old ones."""
        (mean, spread), (wanted, wanted_spread) = _statistics(new), _statistics(old)
        gain = np.clip(wanted_spread / np.maximum(spread, 1e-3), *_GAIN)
        values = np.arange(256)[None, :, None]
        table = (values - mean) * gain + wanted
        return cls((table.clip(0, 255) + 0.5).astype(np.uint8))

    def __call__(self, frame: Frame) -> Frame:
        """A frame with matched colors."""
        return np.asarray(cv2.LUT(frame, self.table), dtype=np.uint8)


class Tail:
    """Lets frames through but for the last few, which the next segment blends with its own."""

    def __init__(self, count: int) -> None:
        self.frames: deque[Frame] = deque()
        self._count = count

    def through(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames in order, each `count` frames late."""
        for frame in frames:
            self.frames.append(frame)
            if len(self.frames) > self._count:
                yield self.frames.popleft()


def joined(frames: Iterator[Frame], before: Sequence[Frame]) -> Iterator[Frame]:
    """The frames of a segment after `before`, the last ones of the segment that it goes on from."""
    opening = [frame for _, frame in zip(before, frames, strict=False)]
    match = Match.of(opening, before)
    yield from blended(before, [match(frame) for frame in opening])
    for frame in frames:
        yield match(frame)


def blended(old: Sequence[Frame], new: Sequence[Frame]) -> Iterator[Frame]:
    """Frames that are more of the new ones from each to the next."""
    for index, (before, after) in enumerate(zip(old, new, strict=True), start=1):
        share = index / (len(old) + 1)
        yield np.asarray(cv2.addWeighted(before, 1 - share, after, share, 0), dtype=np.uint8)


def _statistics(frames: Sequence[Frame]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pixels = np.stack(frames).reshape(-1, 3)
    return pixels.mean(axis=0, dtype=np.float64), pixels.std(axis=0, dtype=np.float64)
