"""Detection of scene cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.arrays import Frame

_SIZE = (32, 18)
"""Width and height of the thumbnails."""
_MIN_CHANGE = 10.0
"""Mean difference of two thumbnails at a cut, in gray levels."""
_MAX_CORRELATION = 0.6
"""Correlation of two thumbnails at a cut."""
_MARGIN = (3, 4)
"""Rows and columns by which the picture may move between two frames, in pixels of the thumbnail."""


class CutDetector:
    """Compares each frame with the one before, as thumbnails of 32 x 18 pixels.

    At a cut they differ by more than 10 gray levels on average, and correlate by less than 0.6
    wherever the middle of one is placed on the other (350 pairs of photos gave up to 0.59, pans by
    an eighth of the picture 0.99). So a weak flash or a fade is not a cut. A frame of one color
    correlates with nothing.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None

    def __call__(self, frame: Frame) -> bool:
        """Whether this frame begins a new scene; False for the first."""
        now = _thumbnail(frame)
        before, self._last = self._last, now
        if before is None:
            return False
        return bool(
            np.abs(now - before).mean() > _MIN_CHANGE
            and _correlation(now, before) < _MAX_CORRELATION
        )


def _thumbnail(frame: Frame) -> NDArray[np.float32]:
    step = max(1, min(frame.shape[0] // (4 * _SIZE[1]), frame.shape[1] // (4 * _SIZE[0])))
    small = cv2.resize(frame[::step, ::step], _SIZE, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The best correlation of the middle of `a` with any part of `b`."""
    high, wide = _MARGIN
    middle = a[high:-high, wide:-wide]
    if middle.std(axis=(0, 1)).max() < 1:
        return 0.0
    return float(cv2.matchTemplate(b, middle, cv2.TM_CCOEFF_NORMED).max())
