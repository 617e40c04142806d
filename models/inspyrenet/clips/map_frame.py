"""A frame of a clip on its way through the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray


@dataclass(frozen=True)
class MapFrame:
    """A frame and what the network found in it."""

    rgb: NDArray[np.uint8]
    """`(h, w, 3)`, upright."""
    begin: Fraction
    """Seconds after the start of picture and sound."""
    duration: Fraction
    logits: NDArray[np.float32]
    """`(H, W)`, at the size at which the network sees a frame."""
    begins_scene: bool
    """Whether there is a cut before it."""

    def luma(self) -> NDArray[np.float32]:
        """The gray picture at the size of the logits, 0..255."""
        gray = cv2.cvtColor(self.rgb, cv2.COLOR_RGB2GRAY)
        size = self.logits.shape[::-1]
        return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.float32)
