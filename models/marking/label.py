"""The visible label of a video: the words `AI-generated` in its lower right corner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXT: Final = "AI-generated"
_SHARE: Final = 0.04
"""Height of the letters, of the shorter side of the frame."""
_MIN_SCALE: Final = 0.3
"""Below this OpenCV's letters cannot be read."""


class VisibleLabel:
    """Draws the label: white letters on a darkened strip, drawn once and blended into frames."""

    def __init__(self, width: int, height: int) -> None:
        font = cv2.FONT_HERSHEY_SIMPLEX
        scale = max(_MIN_SCALE, _SHARE * min(width, height) / 22)
        thickness = max(1, round(scale * 1.6))
        (text_width, text_height), baseline = cv2.getTextSize(TEXT, font, scale, thickness)
        pad = round(text_height * 0.6)
        strip = np.zeros((text_height + baseline + 2 * pad, text_width + 2 * pad), np.uint8)
        at = (pad, pad + text_height)
        cv2.putText(strip, TEXT, at, font, scale, 255, thickness, cv2.LINE_AA)
        strip = strip[:height, :width]
        self._letters = strip.astype(np.uint16)[..., None]
        self._top, self._left = height - strip.shape[0], width - strip.shape[1]

    def on(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A copy of a frame `(height, width, 3)` with the label; the frame stays as it is."""
        labelled = frame.copy()
        corner = labelled[self._top :, self._left :]
        darkened = corner.astype(np.uint16) * 2 // 5
        corner[...] = darkened + (255 - darkened) * self._letters // 255
        return labelled
