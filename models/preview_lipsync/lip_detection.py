"""Detection of the line between the lips, from the colors of the lower face.

Works on a small patch in which every face is 160 pixels wide, so that every number below is
relative to the face and the cost does not depend on the size of the frame.
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
MOUTH_ROW, ROW_SPREAD = 0.79, 0.09
SKIN = (slice(10, 60, 2), slice(25, 87, 2))
BEND = np.array([0.06, 0.0, 0.06], dtype=np.float32)


@dataclass(frozen=True)
class LipMaps:
    """Two maps of the patch, 0 to 1: the dark line between the lips, and the lower edge
    of teeth.
    """

    line: Map
    teeth_end: Map


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
    """Compute the maps of the line between the lips and of the lower edge of teeth."""
    lab = _map(cv2.cvtColor(patch.astype(np.float32) / 255, cv2.COLOR_BGR2Lab))
    light, red = lab[..., 0], _map(lab[..., 1] - 0.4 * lab[..., 2])
    lip = _map(np.clip(_against_skin(_blur(red, 1.2, 1.2), least=1.5) / 3, 0, 1))
    near_lip = cv2.dilate(lip, np.ones((7, 3), np.uint8)) if lip.max() > 0.2 else np.ones_like(lip)
    dark = np.clip((_blur(light, 2, 6) - _blur(light, 2, 1)) / 8, 0, 1)
    rows = TOP + np.arange(patch.shape[0], dtype=np.float32)[:, None] / FACE
    likely = np.exp(-(((rows - MOUTH_ROW) / ROW_SPREAD) ** 2) / 2)
    line = dark * (0.3 + 0.7 * near_lip) * likely
    return LipMaps(_map(line), _teeth_end(_teeth(lab, lip), lip))


def _teeth(lab: Map, lip: Map) -> Map:
    """Lighter than skin and less saturated."""
    light = _against_skin(_blur(lab[..., 0], 1, 1), least=3.0)
    gray = -_against_skin(_blur(np.hypot(lab[..., 1], lab[..., 2]), 1, 1), least=3.0)
    return _map(np.clip(light / 2, 0, 1) * np.clip(gray / 2, 0, 1) * (1 - lip))


def _teeth_end(teeth: Map, lip: Map) -> Map:
    """Teeth just above, a lip just below, and another lip some way above."""
    lip_above = np.max([_lowered(lip, rows) for rows in range(6, 24, 2)], axis=0)
    return _map(np.clip(2.5 * _lowered(teeth, 3) * _lowered(lip, -3) * lip_above, 0, 1))


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


def _against_skin(values: Map, *, least: float) -> Map:
    middle = float(np.median(values[SKIN]))
    spread = 1.48 * float(np.median(np.abs(values[SKIN] - middle)))
    return _map((values - middle) / max(least, spread))


def _blur(values: Map, across: float, down: float) -> Map:
    return _map(cv2.GaussianBlur(values, (0, 0), sigmaX=across, sigmaY=down))


def _lowered(values: Map, rows: int) -> Map:
    moved = np.zeros_like(values)
    if rows > 0:
        moved[rows:] = values[:-rows]
    else:
        moved[:rows] = values[-rows:]
    return moved


def _map(values: ArrayLike) -> Map:
    return np.asarray(values, dtype=np.float32)
