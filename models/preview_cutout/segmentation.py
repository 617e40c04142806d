"""Separates the middle of a picture from its border by color, without a neural network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SIDE: Final = 192
"""Pixels of the longer side at which the picture is separated."""
_MIN_SIDE: Final = 24
"""Fewer pixels have too few colors to learn from."""
_BORDER: Final = 0.04
"""Share of each side that is background for certain."""
_CORE: Final = 0.85
"""Share of each axis of the ellipse in the middle that is most likely foreground."""
_ITERATIONS: Final = 3


def find_foreground(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The opacity, 0..1, of a picture `(h, w, 3)`; smaller than it, 24 to 192 pixels a side.

    Equal pictures give equal maps.
    """
    small = cv2.resize(rgb, _working_size(rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_AREA)
    labels = _first_guess(*small.shape[:2])
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)  # GrabCut draws the first centers of its colors
    cv2.grabCut(small, labels, (0, 0, 0, 0), *models, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    foreground = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.float32)
    opened = cv2.morphologyEx(foreground, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.GaussianBlur(opened, (0, 0), 0.8), np.float32)


def _working_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(_MIN_SIDE, round(width * scale)), max(_MIN_SIDE, round(height * scale))


def _first_guess(height: int, width: int) -> NDArray[np.uint8]:
    """GrabCut's labels: background at the border, and most likely foreground in the middle.

    The lower border is open: people are often cut off there.
    """
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    axes = max(1, round(width * _CORE / 2)), max(1, round(height * _CORE / 2))
    cv2.ellipse(labels, (width // 2, height // 2), axes, 0, 0, 360, cv2.GC_PR_FGD, cv2.FILLED)
    labels[height // 2 :, width // 4 : -(width // 4)] = cv2.GC_PR_FGD
    rows, columns = max(1, round(height * _BORDER)), max(1, round(width * _BORDER))
    for edge in (np.s_[:rows], np.s_[:, :columns], np.s_[:, -columns:]):
        labels[edge] = cv2.GC_BGD
    return labels
