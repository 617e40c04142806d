"""The box of a face as MuseTalk was trained on it: its middle is where the hidden half begins.

That middle is the lower part of the bridge of the nose; the bottom is the chin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from models.faces.box import Box
from models.lipsync.network import Area

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.lipsync.network import Frame

BRIDGE: Final = 29
"""Which of the 68 points, counted from 0, is the middle of the box."""
FIVE: Final = 5
"""Points that a detector gives."""
MARGIN: Final = 10
"""Pixels below the chin."""

_TO_NOSE: Final = 0.67
"""How far down from the eyes to the tip of the nose the middle lies: an estimate."""


def by_landmarks(points: NDArray[Any]) -> Box | None:
    """The box of 68 points `(68, 2)` as x, y; None where they make none."""
    left, right = float(points[:, 0].min()), float(points[:, 0].max())
    middle, bottom = float(points[BRIDGE, 1]), float(points[:, 1].max())
    if left < 0 or right <= left or bottom <= middle:
        return None
    return _about(middle, bottom, left, right)


def by_five(face: Box) -> Box:
    """The box of a detector's rectangle and its points: two eyes, the nose, two corners.

    The rectangle itself where it has no points or they lie on their head.
    """
    if len(face.points) != FIVE:
        return face
    eyes, nose = (face.points[0][1] + face.points[1][1]) / 2, face.points[2][1]
    middle, bottom = eyes + _TO_NOSE * (nose - eyes), face.y + face.h
    if not eyes < nose < bottom:
        return face
    return _about(middle, bottom, face.x, face.x + face.w)


def area(box: Box, frame: Frame, *, margin: int = MARGIN) -> Area:
    """The whole pixels of a box and some below it, within the frame."""
    height, width = frame.shape[:2]
    edges = box.x, box.y, box.x + box.w, int(box.y + box.h) + margin
    return Area.inside(width, height, edges)


def _about(middle: float, bottom: float, left: float, right: float) -> Box:
    top = max(0.0, 2 * middle - bottom)
    return Box(left, top, right - left, bottom - top)
