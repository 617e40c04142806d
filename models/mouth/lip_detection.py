"""Detection of the line between the lips, from the lower face.

Works on a small patch in which every face is 160 pixels wide, so that every number below is
relative to the face and the cost does not depend on the size of the frame. Light is measured as its
logarithm, so that a darker, lighter or tinted photo of the same face gives the same line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from models.arrays import Frame
    from models.faces.box import Box

Map: TypeAlias = NDArray[np.float32]

FACE = 160
LEFT, RIGHT, TOP, BOTTOM = 0.15, 0.85, 0.60, 1.08
MOUTH_ROW, ROW_SPREAD = 0.80, 0.10
FIRST, LAST = 14, 98
"""Columns of the patch between which the line is searched."""
SKIN = (slice(10, 60, 2), slice(25, 87, 2))
BEND = np.array([0.06, 0.0, 0.06], dtype=np.float32)
_DARKEST = 4.0
"""Levels of 255 that are added before a logarithm: noise in the dark counts less."""
_MIN_CONTRAST = 0.08
"""Logarithm of the contrast of the strongest line in a face without lines."""
_LIP_REDNESS = 0.12
"""Redness of lips that are clearly redder than skin."""
_WHITE, _ALMOST_WHITE = 250, 235
"""Levels from which on a channel may be overexposed."""
_LOST_REDNESS = 0.1
"""Redness that an overexposed red loses."""
_MIN_COLOR = 0.03
"""Standard deviation of the logarithm of red over blue in a photo that is not gray or sepia."""


@dataclass(frozen=True)
class LipMaps:
    """Maps of the patch, and numbers about all of it.

    `line` is the strength of dark lines, 1 for the strongest, where a mouth may be. `light` is the
    logarithm of the brightness, and `redness` that of red over green, both relative to skin.
    `contrast` is the darkness of the strongest lines in units of `light`, and `has_color` whether
    the patch is not gray.
    """

    line: Map
    light: Map
    redness: Map
    contrast: float
    has_color: bool


def cut_patch(frame: Frame, box: Box) -> Frame:
    """The lower face, upright and scaled so that the whole face is 160 pixels wide."""
    width, height = round((RIGHT - LEFT) * FACE), round((BOTTOM - TOP) * FACE)
    scale = box.w / FACE
    to_frame = patch_transform(box)
    corners = to_frame @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    pad = max(1, int(scale) + 1)
    left, top = (max(0, int(edge)) - pad for edge in corners.min(axis=1))
    left, top = max(0, left), max(0, top)
    right, bottom = (max(0, int(edge) + pad) for edge in corners.max(axis=1))
    part = frame[top:bottom, left:right]
    if not part.size:
        return np.zeros((height, width, 3), np.uint8)
    if scale > 1:
        part = np.asarray(cv2.GaussianBlur(part, (0, 0), 0.4 * scale), dtype=np.uint8)
    to_part = to_frame - [[0, 0, left], [0, 0, top]]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(
        part, to_part, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(patch, dtype=np.uint8)


def patch_transform(box: Box) -> NDArray[np.float64]:
    """The affine transform (2 x 3) from pixels of the patch to pixels of the frame."""
    scale, tilt = box.w / FACE, np.deg2rad(box.angle)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    corner = np.array([(LEFT - 0.5) * box.w, TOP * box.w - box.h / 2])
    return np.column_stack([scale * turn, turn @ corner + box.center])


def read_maps(patch: Frame) -> LipMaps:
    """Compute the maps of a patch."""
    blue, green, red = (np.log(_blur(_map(patch[..., one]), 1, 1) + _DARKEST) for one in range(3))
    gray = _map(cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY))
    light = _map(np.log(_blur(gray, 1, 1) + _DARKEST))
    dark = np.clip(_blur(light, 2, 6) - _blur(light, 2, 1), 0, None)
    contrast = max(_MIN_CONTRAST, float(np.percentile(dark[4:60, FIRST:LAST], 98)))
    rows = TOP + np.arange(patch.shape[0], dtype=np.float32)[:, None] / FACE
    likely = np.exp(-(((rows - MOUTH_ROW) / ROW_SPREAD) ** 2) / 2)
    redness = _redness(patch, _map(red - green))
    return LipMaps(
        line=_map(np.clip(dark / contrast, 0, 1.2) * likely * (0.5 + 0.5 * _near_lips(redness))),
        light=_map(light - np.median(light[SKIN])),
        redness=redness,
        contrast=contrast,
        has_color=float(np.std(_blur(_map(red - blue), 5, 5))) > _MIN_COLOR,
    )


def _redness(patch: Frame, red_over_green: Map) -> Map:
    """Relative to skin. Where only red is overexposed, it is more than it seems."""
    redness = red_over_green - np.median(red_over_green[SKIN])
    overexposed = (_blur(_map(patch[..., 2]), 1, 1) > _WHITE) & (patch[..., 1] < _ALMOST_WHITE)
    return _map(redness + _LOST_REDNESS * overexposed)


def _near_lips(redness: Map) -> Map:
    """1 near something redder than skin, 0 elsewhere; 1 everywhere if lips are not redder."""
    lips = _map(np.clip(_blur(redness, 1, 1) / _LIP_REDNESS - 0.5, 0, 1))
    if np.percentile(lips[4:60, FIRST:LAST], 95) < 0.5:
        return np.ones_like(lips)
    return _map(cv2.dilate(lips, np.ones((9, 3), np.uint8)))


def best_path(score: Map, first: int, last: int) -> NDArray[np.intp]:
    """The row in each column from `first` to `last` on the brightest connected line."""
    padded = np.full(score.shape[0] + 2, -np.inf, dtype=np.float32)
    reachable = sliding_window_view(padded, 3)
    total = score[:, first]
    steps = []
    for column in range(first + 1, last):
        padded[1:-1] = total
        choice = reachable - BEND
        steps.append(choice.argmax(axis=1) - 1)
        total = choice.max(axis=1) + score[:, column]
    path = [int(total.argmax())]
    for step in reversed(steps):
        path.append(path[-1] + int(step[path[-1]]))
    return np.array(path[::-1])


def _blur(values: Map, across: float, down: float) -> Map:
    return _map(cv2.GaussianBlur(values, (0, 0), sigmaX=across, sigmaY=down))


def _map(values: ArrayLike) -> Map:
    return np.asarray(values, dtype=np.float32)
