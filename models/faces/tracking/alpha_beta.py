"""An adaptive alpha-beta filter: steady at rest, without lag in motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from models.arrays import Vector


class AlphaBetaFilter:
    """Estimates values and their velocity, one step a frame.

    `min_alpha` is the gain of the value at rest. As in the one-euro filter it grows with the
    residuals, to nearly 1 where they reach `fast` units. `max_beta` is the gain of the velocity.
    """

    def __init__(self, min_alpha: float = 0.25, fast: float = 0.07, max_beta: float = 0.06) -> None:
        self._min_alpha = min_alpha
        self._fast = fast
        self._max_beta = max_beta
        self._value: Vector | None = None
        self._velocity: Vector | float = 0.0
        self._mean_residual = 0.0

    def reset(self) -> None:
        """Forget everything; the next values are returned unchanged."""
        self._value = None
        self._velocity = 0.0
        self._mean_residual = 0.0

    def __call__(self, values: ArrayLike, unit: float = 1.0) -> Vector:
        """Filter the values of the next frame.

        `unit` is the size of the moving object, such as the width of a face: residuals count in
        relation to it.
        """
        new = np.asarray(values, dtype=np.float64)
        if self._value is None:
            self._value = new
            return new
        expected = self._value + self._velocity
        residual = new - expected
        largest = float(np.abs(residual).max()) / max(unit, 1e-6)
        self._mean_residual += 0.5 * (largest - self._mean_residual)
        alpha = min(1.0, self._min_alpha + (self._mean_residual / self._fast) ** 2)
        self._velocity = self._velocity + min(self._max_beta, alpha) * residual
        self._value = expected + alpha * residual
        return self._value
