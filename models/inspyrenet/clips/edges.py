"""Soft edges moved onto the edges of the picture, by a guided filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Map = NDArray[np.float32]

RADIUS: Final = 8
"""Pixels, at a height of 1080."""
EPSILON: Final = 1e-4
SOFT: Final = (0.05, 0.95)
"""Only opacities between these change."""


def refine_edges(alpha: Map, rgb: NDArray[np.uint8]) -> Map:
    """Opacity `(h, w)` that follows the luma of the picture `(h, w, 3)` where it is soft."""
    soft = (alpha > SOFT[0]) & (alpha < SOFT[1])
    if not soft.any():
        return alpha
    gray = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)
    luma: Map = gray / np.float32(255)
    side = 2 * max(1, round(RADIUS * rgb.shape[0] / 1080)) + 1
    mean_luma, mean_alpha = _mean(luma, side), _mean(alpha, side)
    variance = _mean(luma * luma, side) - mean_luma * mean_luma
    slope = (_mean(luma * alpha, side) - mean_luma * mean_alpha) / (variance + EPSILON)
    offset = mean_alpha - slope * mean_luma
    guided = (_mean(slope, side) * luma + _mean(offset, side)).clip(0, 1)
    return np.where(soft, guided, alpha).astype(np.float32)


def _mean(values: NDArray[Any], side: int) -> Map:
    return np.asarray(cv2.blur(values, (side, side)), np.float32)
