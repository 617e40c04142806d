"""Smoothing of tracked boxes with their neighbors in time, before and after."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.faces.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.arrays import Vector
    from models.faces.tracking.tracked_frame import TrackedFrame

_SIGMA_SECONDS = 0.25
"""Standard deviation of the weights of the neighbors at smoothing 1."""
_MAX_LOOKAHEAD = 12
_NARROW = 0.25
"""Width of the narrow fit, in widths of the wide one."""
_FAST = 0.04
"""Difference of the two fits at which only the narrow one counts, in widths of the face."""


def smooth_boxes(
    frames: Iterable[TrackedFrame], smoothing: float, fps: float
) -> Iterator[TrackedFrame]:
    """The same frames with smooth boxes; each segment of one face in one scene by itself.

    With `smoothing` 1, neighbors have Gaussian weights of 0.25 seconds (standard deviation); 0
    changes nothing. A frame is held until the boxes of up to 12 later ones are known.
    """
    segment = _Segment(sigma=smoothing * _SIGMA_SECONDS * fps)
    for tracked in frames:
        if not segment.continues_with(tracked):
            yield from segment.end()
        if tracked.box is None:
            yield tracked
        else:
            yield from segment.add(tracked, tracked.box)
    yield from segment.end()


class _Segment:
    """A run of boxes without a jump; a frame leaves when its neighbors are known."""

    def __init__(self, sigma: float) -> None:
        self._sigma = sigma
        self._lookahead = min(_MAX_LOOKAHEAD, round(2 * sigma))
        self._boxes: deque[Box] = deque()
        self._waiting: deque[TrackedFrame] = deque()

    def continues_with(self, tracked: TrackedFrame) -> bool:
        if tracked.box is None or tracked.cut or not self._boxes:
            return False
        last = self._boxes[-1]
        return last.is_near(tracked.box) and len(last.points) == len(tracked.box.points)

    def add(self, tracked: TrackedFrame, box: Box) -> Iterator[TrackedFrame]:
        self._boxes.append(box)
        self._waiting.append(tracked)
        if len(self._waiting) > self._lookahead:
            yield self._smoothed()
        if len(self._boxes) > 2 * self._lookahead + 1:
            self._boxes.popleft()

    def end(self) -> Iterator[TrackedFrame]:
        while self._waiting:
            yield self._smoothed()
        self._boxes.clear()

    def _smoothed(self) -> TrackedFrame:
        index = len(self._boxes) - len(self._waiting)
        values = np.array([box.vector for box in self._boxes])
        smooth = smooth_at(values, index, self._sigma, unit=self._boxes[index].w)
        return replace(
            self._waiting.popleft(), box=Box.from_vector([float(value) for value in smooth])
        )


def smooth_at(values: Vector, index: int, sigma: float, unit: float) -> Vector:
    """Row `index` of `values` (steps x numbers), smoothed with its neighbors.

    Single outliers are removed by a median of three. Then a line is fitted with Gaussian weights,
    so that uniform motion has no lag. Where a much narrower fit differs by 4 % of `unit`, the width
    of the face, that one is used: fast turns are not smoothed away.
    """
    if sigma <= 0 or len(values) == 1:
        return np.asarray(values[index])
    clean = _without_outliers(values)
    wide = _fit_line(clean, index, sigma)
    narrow = _fit_line(clean, index, _NARROW * sigma)
    residual = float(np.abs(narrow - wide).max()) / max(unit, 1e-6)
    share = min(1.0, (residual / _FAST) ** 2)
    return wide + share * (narrow - wide)


def _without_outliers(values: Vector) -> Vector:
    clean = values.copy()
    clean[1:-1] = np.median([values[:-2], values[1:-1], values[2:]], axis=0)
    return clean


def _fit_line(values: Vector, index: int, sigma: float) -> Vector:
    """The value at `index` of the least-squares line with Gaussian weights (local regression)."""
    steps = np.arange(len(values)) - index
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    s0, s1, s2 = (float((weights * steps**power).sum()) for power in range(3))
    spread = s0 * s2 - s1 * s1
    if spread < 1e-9 * s0 * s0:
        return np.asarray(values[index])
    fitted: Vector = (weights * (s2 - s1 * steps)) @ values / spread
    return fitted
