"""The box of a face as in MuseTalk's training data: its center is where the masked half begins.

That center is the lower part of the bridge of the nose; the bottom edge is the chin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from models.faces.box import Box
from models.lipsync.network import CropArea

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.arrays import Frame

NOSE_BRIDGE: Final = 29
"""Index of the landmark, of 68, at the center of the box."""
FIVE_POINTS: Final = 5
"""Number of landmarks that a face detector gives."""
CHIN_MARGIN: Final = 10
"""Pixels added below the chin."""

_TO_NOSE: Final = 0.67
"""Position of the center between the eyes (0) and the tip of the nose (1); an estimate."""


def from_landmarks(points: NDArray[Any]) -> Box | None:
    """The box of 68 landmarks `(68, 2)` as x, y; None if they are implausible."""
    left, right = float(points[:, 0].min()), float(points[:, 0].max())
    middle, bottom = float(points[NOSE_BRIDGE, 1]), float(points[:, 1].max())
    if left < 0 or right <= left or bottom <= middle:
        return None
    return _centered(middle, bottom, left, right)


def from_five_points(face: Box) -> Box:
    """The box of a face rectangle with five points: two eyes, nose, two corners of the mouth.

    Without points, or with the face upside down, the rectangle itself.
    """
    if len(face.points) != FIVE_POINTS:
        return face
    eyes, nose = (face.points[0][1] + face.points[1][1]) / 2, face.points[2][1]
    middle, bottom = eyes + _TO_NOSE * (nose - eyes), face.y + face.h
    if not eyes < nose < bottom:
        return face
    return _centered(middle, bottom, face.x, face.x + face.w)


def crop_area(box: Box, frame: Frame, *, margin: int = CHIN_MARGIN) -> CropArea:
    """The whole pixels of a box plus a margin below, inside the frame."""
    height, width = frame.shape[:2]
    edges = box.x, box.y, box.x + box.w, int(box.y + box.h) + margin
    return CropArea.inside(width, height, edges)


def _centered(middle: float, bottom: float, left: float, right: float) -> Box:
    top = max(0.0, 2 * middle - bottom)
    return Box(left, top, right - left, bottom - top)
