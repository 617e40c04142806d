"""Smoothing that calms a resting face and does not lag behind a moving one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Vector: TypeAlias = NDArray[np.float64]


class Smoother:
    """Follows values, a step a frame, by where they were going and by what is seen.

    `rest` is the share of a surprise that is believed while all goes on as before; it grows, as
    in the one-euro filter, with the size of the surprises, to nearly all of it at `brisk` units.
    `trend` is the share of a surprise that changes the assumed speed.
    """

    def __init__(self, rest: float = 0.25, brisk: float = 0.07, trend: float = 0.06) -> None:
        self._rest = rest
        self._brisk = brisk
        self._trend = trend
        self._value: Vector | None = None
        self._speed: Vector | float = 0.0
        self._surprise = 0.0

    def reset(self) -> None:
        """Forget all: the next values are taken as they are."""
        self._value = None
        self._speed = 0.0
        self._surprise = 0.0

    def __call__(self, values: ArrayLike, unit: float = 1.0) -> Vector:
        """Take the next values; `unit` is the size of the thing that moves, e.g. a face's width."""
        new = np.asarray(values, dtype=np.float64)
        if self._value is None:
            self._value = new
            return new
        expected = self._value + self._speed
        missed = new - expected
        jump = float(np.abs(missed).max()) / max(unit, 1e-6)
        self._surprise += 0.5 * (jump - self._surprise)
        share = min(1.0, self._rest + (self._surprise / self._brisk) ** 2)
        self._speed = self._speed + min(self._trend, share) * missed
        self._value = expected + share * missed
        return self._value
