"""The part of a frame that a detector searches: all of it or around a box, scaled down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.arrays import Frame
    from models.faces.box import Box

_NEAR_REACH = 2.2
"""Size of the area around a face, in sizes of its box."""
_NEAR_FACE = 64
"""Pixels of the face in the scaled copy of that area, at most."""
_NEAR_SIZES = (0.6, 1.6)
"""Smallest and largest width of the same face in the next frame, in widths of its box."""


@dataclass(frozen=True)
class SearchRegion:
    """A part of a frame: its pixels, its top left corner and its scale (at most 1)."""

    pixels: Frame
    left: int
    top: int
    scale: float

    def boxes(self, found: Iterable[Box]) -> list[Box]:
        """Convert boxes in the region to boxes in the frame, the largest first."""
        factor = 1 / self.scale
        boxes = [box.scaled(factor).moved(self.left, self.top) for box in found]
        return sorted(boxes, key=lambda box: (-box.area, box.x, box.y))


def whole_frame(frame: Frame, long_side: int) -> SearchRegion:
    """The whole frame, scaled so that no side is longer than `long_side`."""
    scale = min(1.0, long_side / max(frame.shape[:2]))
    return SearchRegion(_resized(frame, scale), 0, 0, scale)


def around(frame: Frame, last: Box) -> SearchRegion:
    """The area around a face, 2.2 times its box; scaled if the face is wider than 64 pixels."""
    height, width = frame.shape[:2]
    area = last.expanded(_NEAR_REACH).clipped(width, height)
    left, top = int(area.x), int(area.y)
    part = frame[top : int(area.y + area.h), left : int(area.x + area.w)]
    scale = min(1.0, _NEAR_FACE / max(last.w, 1.0))
    return SearchRegion(_resized(part, scale), left, top, scale)


def similar_in_size(boxes: Iterable[Box], last: Box) -> list[Box]:
    """The boxes of 0.6 to 1.6 times the width of `last`."""
    smallest, largest = (last.w * ratio for ratio in _NEAR_SIZES)
    return [box for box in boxes if smallest <= box.w <= largest]


def _resized(frame: Frame, scale: float) -> Frame:
    height, width = frame.shape[:2]
    if scale == 1 or not frame.size:
        return frame
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
