"""The three points of a face that decide its alignment: both brows and the nose."""

from __future__ import annotations

from math import cos, radians, sin
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.faces.box import Box

_BROW_WIDTH: Final = 1.14
"""Distance of the brows' middles, in distances of the eyes."""
_BROW_RISE: Final = 0.30
"""Height of the brows above the eyes, in distances of the eyes."""
_NOSE_DROP: Final = 0.53
"""Depth of the middle of the nose below the eyes, in distances of the eyes."""
_TIP_DROP: Final = 0.57
"""Depth of its tip."""
_NOSE_TURN: Final = 0.56
"""How far the middle of the nose moves to the side with a turned head, as a share of its tip: its
ridge moves from nothing to all of it, and its wings by about 0.6."""
_SMALLEST: Final = 1e-6
_EYE_WIDTH: Final = 0.48
"""Distance of the eyes, as a share of the width of a face's box."""
_EYE_HEIGHT: Final = 0.34
"""Height of the eyes below the top of a face's box, as a share of its height; both shares were
measured on boxes of OpenCV's cascade."""


def brows_and_nose(face: Box) -> NDArray[np.float64]:
    """Left brow, right brow (as seen in the image) and nose, `(3, 2)` in pixels.

    They are those of a mean face with these eyes, and with this tip of the nose if the detector
    gives one: it shows how far a head is turned or nods. A box without landmarks is a face that
    looks ahead, tilted as the box says. Not yet compared with 68 landmarks on photos.
    """
    left, right = np.array(face.points[:2] if len(face.points) > 1 else _eyes_of(face))
    across = right - left
    down = np.array((-across[1], across[0]))
    middle = (left + right) / 2
    brows = middle - _BROW_RISE * down
    half = _BROW_WIDTH / 2 * across
    tip = np.array(face.points[2]) - middle if len(face.points) > 2 else _TIP_DROP * down
    aside = (tip @ across) / max(across @ across, _SMALLEST) * across
    nose = middle + _NOSE_TURN * aside + _NOSE_DROP / _TIP_DROP * (tip - aside)
    return np.stack((brows - half, brows + half, nose))


def _eyes_of(face: Box) -> list[tuple[float, float]]:
    """The eyes of a mean face in a box, left and right in the image."""
    x, y = face.center
    up, tilt = (0.5 - _EYE_HEIGHT) * face.h, radians(face.angle)
    offsets = (-_EYE_WIDTH / 2 * face.w, _EYE_WIDTH / 2 * face.w)
    return [
        (x + across * cos(tilt) + up * sin(tilt), y + across * sin(tilt) - up * cos(tilt))
        for across in offsets
    ]
