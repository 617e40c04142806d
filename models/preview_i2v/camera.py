"""A slow camera move over an image: one zoom, off-center, that starts and ends at rest."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from random import Random
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ZOOM: Final = 1.25
"""Largest zoom; images are kept this much larger than the frame.

Sides that are multiples of 16 stay whole numbers at this scale.
"""


@dataclass(frozen=True)
class Move:
    """A zoom from the whole image into a part of it."""

    zoom: float
    """Final zoom factor, above 1."""
    right: float
    """Final position: -1 at the left edge, 1 at the right."""
    down: float

    def view(self, progress: float) -> tuple[float, float, float]:
        """Width of the view and its left and top edge, as shares of the image.

        `progress` is 0 at the whole image and 1 at the end. The zoom grows exponentially, so the
        speed looks uniform.
        """
        share = self.zoom**-progress
        room = (1 - share) / 2
        return share, room * (1 + self.right), room * (1 + self.down)


def random_move(seed: int) -> Move:
    """The move of a seed: its zoom and direction."""
    random = Random(seed)  # noqa: S311 - a direction, no secret
    angle = random.uniform(0, 2 * pi)
    return Move(random.uniform(1.12, MAX_ZOOM), 0.8 * cos(angle), 0.8 * sin(angle))


def smootherstep(time: float) -> float:
    """From 0 to 1; speed and acceleration are 0 at both ends."""
    return time**3 * (time * (6 * time - 15) + 10)


def render_view(
    still: NDArray[np.uint8], view: tuple[float, float, float], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The view of an image, `(height, width, 3)`, for a size given as width and height.

    Sampled to 1/32 of a pixel, OpenCV's finest, so motion is smooth.
    """
    share, left, top = view
    width, height = size
    scale_x, scale_y = still.shape[1] * share / width, still.shape[0] * share / height
    to_still = np.array(
        [
            [scale_x, 0, still.shape[1] * left + (scale_x - 1) / 2],
            [0, scale_y, still.shape[0] * top + (scale_y - 1) / 2],
        ]
    )
    frame = cv2.warpAffine(
        still,
        to_still,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(frame, dtype=np.uint8)
