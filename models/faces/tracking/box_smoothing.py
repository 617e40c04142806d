"""Boxes without a tremble, by what comes before and after each of them."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.faces.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.faces.tracking.one_euro import Vector
    from models.faces.tracking.tracked_frame import Seen

SECONDS = 0.25
MOST_AHEAD = 12
NARROW = 0.25
BRISK = 0.04


def steadied(sights: Iterable[Seen], smoothing: float, fps: float) -> Iterator[Seen]:
    """The same frames with calm boxes; each stretch of one face in one scene by itself.

    `smoothing` 1 weighs neighbors by a bell of 0.25 seconds (standard deviation), 0 changes
    nothing. Frames are held while the boxes of up to 12 later ones are awaited.
    """
    run = _Run(sigma=smoothing * SECONDS * fps)
    for seen in sights:
        if not run.goes_on(seen):
            yield from run.end()
        if seen.box is None:
            yield seen
        else:
            yield from run.add(seen, seen.box)
    yield from run.end()


class _Run:
    """A stretch of boxes without a jump; a frame leaves when its neighbors are known."""

    def __init__(self, sigma: float) -> None:
        self._sigma = sigma
        self._reach = min(MOST_AHEAD, round(2 * sigma))
        self._boxes: deque[Box] = deque()
        self._waiting: deque[Seen] = deque()

    def goes_on(self, seen: Seen) -> bool:
        if seen.box is None or seen.cut or not self._boxes:
            return False
        last = self._boxes[-1]
        return last.near(seen.box) and len(last.points) == len(seen.box.points)

    def add(self, seen: Seen, box: Box) -> Iterator[Seen]:
        self._boxes.append(box)
        self._waiting.append(seen)
        if len(self._waiting) > self._reach:
            yield self._calmed()
        if len(self._boxes) > 2 * self._reach + 1:
            self._boxes.popleft()

    def end(self) -> Iterator[Seen]:
        while self._waiting:
            yield self._calmed()
        self._boxes.clear()

    def _calmed(self) -> Seen:
        place = len(self._boxes) - len(self._waiting)
        values = np.array([box.numbers for box in self._boxes])
        calm = steady(values, place, self._sigma, unit=self._boxes[place].w)
        return replace(self._waiting.popleft(), box=Box.of([float(value) for value in calm]))


def steady(values: Vector, place: int, sigma: float, unit: float) -> Vector:
    """Row `place` of `values` (steps x numbers), calmed by its neighbors.

    Lone outliers go first (median of three). Then a straight line is laid through a bell-shaped
    neighborhood, so that steady motion has no lag; where a much narrower bell disagrees by 4 % of
    `unit`, the width of the face, it is believed instead: fast turns are followed.
    """
    if sigma <= 0 or len(values) == 1:
        return np.asarray(values[place])
    clean = _without_outliers(values)
    wide = _line(clean, place, sigma)
    narrow = _line(clean, place, NARROW * sigma)
    surprise = float(np.abs(narrow - wide).max()) / max(unit, 1e-6)
    share = min(1.0, (surprise / BRISK) ** 2)
    return wide + share * (narrow - wide)


def _without_outliers(values: Vector) -> Vector:
    clean = values.copy()
    clean[1:-1] = np.median([values[:-2], values[1:-1], values[2:]], axis=0)
    return clean


def _line(values: Vector, place: int, sigma: float) -> Vector:
    """The height at `place` of the line that fits best, by bell-shaped weights."""
    steps = np.arange(len(values)) - place
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    s0, s1, s2 = (float((weights * steps**power).sum()) for power in range(3))
    spread = s0 * s2 - s1 * s1
    if spread < 1e-9 * s0 * s0:
        return np.asarray(values[place])
    fitted: Vector = (weights * (s2 - s1 * steps)) @ values / spread
    return fitted
