"""A rectangle in a picture, in pixels, and the few things that are done with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

SIDE_TRIM = 0.08
CHIN_REACH = 0.15


@dataclass(frozen=True)
class Box:
    """A rectangle: its top left corner and its size, in pixels of the whole frame."""

    x: float
    y: float
    w: float
    h: float

    @property
    def area(self) -> float:
        """The area in square pixels; 0 for an empty box."""
        return max(0.0, self.w) * max(0.0, self.h)

    @property
    def center(self) -> tuple[float, float]:
        """The middle point, x then y."""
        return self.x + self.w / 2, self.y + self.h / 2

    def iou(self, other: Box) -> float:
        """The shared area as a part of the area covered by both; 1 is the same box."""
        wide = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        high = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        shared = max(0.0, wide) * max(0.0, high)
        total = self.area + other.area - shared
        return shared / total if total else 0.0

    def lerp(self, other: Box, part: float) -> Box:
        """The box that lies `part` of the way (0 to 1) to `other`."""
        return Box(
            self.x + (other.x - self.x) * part,
            self.y + (other.y - self.y) * part,
            self.w + (other.w - self.w) * part,
            self.h + (other.h - self.h) * part,
        )

    def scaled(self, factor: float) -> Box:
        """The box grown about its own center."""
        x, y = self.center
        w, h = self.w * factor, self.h * factor
        return Box(x - w / 2, y - h / 2, w, h)

    def clipped(self, width: int, height: int) -> Box:
        """The part of the box that lies in a frame of this size."""
        x, y = min(max(self.x, 0.0), width), min(max(self.y, 0.0), height)
        right, bottom = min(self.x + self.w, width), min(self.y + self.h, height)
        return Box(x, y, max(0.0, right - x), max(0.0, bottom - y))

    def face_shaped(self) -> Box:
        """A Haar square as a face rectangle: narrower, and down to the chin.

        The square is about a sixth too wide and cuts the chin; networks that were trained on
        other detectors expect the rectangle.
        """
        trim = SIDE_TRIM * self.w
        return Box(self.x + trim, self.y, self.w - 2 * trim, self.h * (1 + CHIN_REACH))

    @classmethod
    def about(cls, center: tuple[float, float], w: float, h: float) -> Self:
        """A box of this size about a point."""
        return cls(center[0] - w / 2, center[1] - h / 2, w, h)
