"""The part of a frame in which a detector looks: all of it, or about a box, made smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.faces.box import Box
    from models.faces.detection.detector import Frame

NEAR_REACH = 2.2
NEAR_FACE = 64
NEAR_SIZES = (0.6, 1.6)


@dataclass(frozen=True)
class Region:
    """A piece of a frame: its pixels, where it begins, and its scale (below 1: made smaller)."""

    pixels: Frame
    left: int
    top: int
    scale: float

    def boxes(self, found: Iterable[Box]) -> list[Box]:
        """Boxes found in the pixels, in those of the frame; the largest first."""
        by = 1 / self.scale
        placed = [box.enlarged(by).moved(self.left, self.top) for box in found]
        return sorted(placed, key=lambda box: (-box.area, box.x, box.y))


def whole(frame: Frame, long_side: int) -> Region:
    """All of the frame, no side longer than `long_side`."""
    scale = min(1.0, long_side / max(frame.shape[:2]))
    return Region(_shrunk(frame, scale), 0, 0, scale)


def about(frame: Frame, last: Box) -> Region:
    """The neighborhood of a face, 2.2 times its box, in which it is at most 64 pixels wide."""
    height, width = frame.shape[:2]
    area = last.scaled(NEAR_REACH).clipped(width, height)
    left, top = int(area.x), int(area.y)
    part = frame[top : int(area.y + area.h), left : int(area.x + area.w)]
    scale = min(1.0, NEAR_FACE / max(last.w, 1.0))
    return Region(_shrunk(part, scale), left, top, scale)


def of_like_size(boxes: Iterable[Box], last: Box) -> list[Box]:
    """Those of 0.6 to 1.6 times the width."""
    least, most = (last.w * part for part in NEAR_SIZES)
    return [box for box in boxes if least <= box.w <= most]


def _shrunk(frame: Frame, scale: float) -> Frame:
    height, width = frame.shape[:2]
    if scale == 1 or not frame.size:
        return frame
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
