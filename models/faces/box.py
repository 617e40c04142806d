"""A rectangle in a picture, in pixels, and the few things that are done with one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDE_TRIM = 0.08
CHIN_REACH = 0.15
SAME_PLACE = 0.8
SAME_SIZE = 1.6

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle: its top left corner and its size, in pixels of the whole frame.

    `points` are landmarks seen inside, x then y, in the order of the detector; most see none.
    """

    x: float
    y: float
    w: float
    h: float
    points: tuple[Point, ...] = ()

    @property
    def area(self) -> float:
        """The area in square pixels; 0 for an empty box."""
        return max(0.0, self.w) * max(0.0, self.h)

    @property
    def center(self) -> tuple[float, float]:
        """The middle point, x then y."""
        return self.x + self.w / 2, self.y + self.h / 2

    @property
    def numbers(self) -> tuple[float, ...]:
        """All that moves with the face: center, size, then each point."""
        return *self.center, self.w, self.h, *(value for point in self.points for value in point)

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Self:
        """The box of these numbers, in the order of `numbers`."""
        x, y, w, h, *rest = numbers
        points = tuple(zip(rest[::2], rest[1::2], strict=True))
        return cls(x - w / 2, y - h / 2, w, h, points)

    def iou(self, other: Box) -> float:
        """The shared area as a part of the area covered by both; 1 is the same box."""
        wide = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        high = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        shared = max(0.0, wide) * max(0.0, high)
        total = self.area + other.area - shared
        return shared / total if total else 0.0

    def lerp(self, other: Box, part: float) -> Box:
        """The box that lies `part` of the way (0 to 1) to `other`, with the points of both."""
        pairs = zip(self.numbers, other.numbers, strict=False)
        return Box.of([mine + (yours - mine) * part for mine, yours in pairs])

    def near(self, other: Box) -> bool:
        """Whether both can be one face a few frames apart: less than a width, of like size."""
        (x, y), (u, v) = self.center, other.center
        narrow, wide = sorted((self.w, other.w))
        return hypot(x - u, y - v) <= SAME_PLACE * wide and wide <= SAME_SIZE * narrow

    def moved(self, x: float, y: float) -> Box:
        """The box and its points, shifted."""
        points = tuple((u + x, v + y) for u, v in self.points)
        return Box(self.x + x, self.y + y, self.w, self.h, points)

    def enlarged(self, factor: float) -> Box:
        """The box and its points in a picture enlarged by this factor."""
        points = tuple((u * factor, v * factor) for u, v in self.points)
        return Box(self.x * factor, self.y * factor, self.w * factor, self.h * factor, points)

    def scaled(self, factor: float) -> Box:
        """The box grown about its own center."""
        x, y = self.center
        w, h = self.w * factor, self.h * factor
        return replace(self, x=x - w / 2, y=y - h / 2, w=w, h=h)

    def clipped(self, width: int, height: int) -> Box:
        """The part of the box that lies in a frame of this size."""
        x, y = min(max(self.x, 0.0), width), min(max(self.y, 0.0), height)
        right, bottom = min(self.x + self.w, width), min(self.y + self.h, height)
        return replace(self, x=x, y=y, w=max(0.0, right - x), h=max(0.0, bottom - y))

    def face_shaped(self) -> Box:
        """A Haar square as a face rectangle: narrower, and down to the chin.

        The square is about a sixth too wide and cuts the chin; networks that were trained on
        other detectors expect the rectangle.
        """
        trim = SIDE_TRIM * self.w
        wide, high = self.w - 2 * trim, self.h * (1 + CHIN_REACH)
        return replace(self, x=self.x + trim, w=wide, h=high)

    @classmethod
    def about(cls, center: tuple[float, float], w: float, h: float) -> Self:
        """A box of this size about a point."""
        return cls(center[0] - w / 2, center[1] - h / 2, w, h)
