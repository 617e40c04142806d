"""A slow camera over a still: one push in, off its middle, that starts and ends at rest."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from random import Random
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEEPEST: Final = 1.25
"""The most that the camera comes nearer; a still is kept this much larger than the frame.

Sides that are multiples of 16 stay whole when they grow by it.
"""


@dataclass(frozen=True)
class Move:
    """A push from the whole picture to a part of it."""

    zoom: float
    """How much larger things are at its end, above 1."""
    right: float
    """Where it ends: -1 at the left edge, 1 at the right."""
    down: float

    def view(self, way: float) -> tuple[float, float, float]:
        """Width of the view and its left and top edge, in shares of the picture, within it.

        `way` is 0 at the whole picture and 1 at the end. The zoom grows by equal factors, so
        that the speed looks even.
        """
        share = self.zoom**-way
        room = (1 - share) / 2
        return share, room * (1 + self.right), room * (1 + self.down)


def drawn_move(seed: int) -> Move:
    """The move that belongs to a seed: how deep, and in which direction."""
    random = Random(seed)  # noqa: S311 - a direction, no secret
    angle = random.uniform(0, 2 * pi)
    return Move(random.uniform(1.12, DEEPEST), 0.8 * cos(angle), 0.8 * sin(angle))


def eased(time: float) -> float:
    """From 0 to 1, at rest at both ends: speed and acceleration start and end at 0."""
    return time**3 * (time * (6 * time - 15) + 10)


def seen(
    still: NDArray[np.uint8], view: tuple[float, float, float], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """What the camera sees of a still, `(height, width, 3)` for a size of width and height.

    Sampled to 1/32 of a pixel, OpenCV's finest: nothing jumps by whole ones.
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
