"""A bounding box in pixels of a frame, and its geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIDE_TRIM = 0.08
"""Share of a Haar square's width that `haar_to_face` cuts off at each side."""
_CHIN_REACH = 0.15
"""Share of a Haar square's height that `haar_to_face` adds below."""
_MAX_DISTANCE = 0.8
"""Of the centers of two boxes of one face, in widths of the wider box."""
_MAX_SIZE_RATIO = 1.6
"""Of the widths of two boxes of one face."""

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A bounding box: its top left corner and its size, in pixels of the whole frame.

    `points` are landmarks in pixels, x then y, in the order of the detector; most detectors give
    none.
    """

    x: float
    y: float
    w: float
    h: float
    points: tuple[Point, ...] = ()

    @property
    def area(self) -> float:
        """Area in square pixels; 0 for an empty box."""
        return max(0.0, self.w) * max(0.0, self.h)

    @property
    def center(self) -> tuple[float, float]:
        """Center, x then y."""
        return self.x + self.w / 2, self.y + self.h / 2

    @property
    def vector(self) -> tuple[float, ...]:
        """Everything that moves with the face, for filters: center, size, then each point."""
        return *self.center, self.w, self.h, *(value for point in self.points for value in point)

    @classmethod
    def from_vector(cls, numbers: Sequence[float]) -> Self:
        """The box of a `vector`."""
        x, y, w, h, *rest = numbers
        points = tuple(zip(rest[::2], rest[1::2], strict=True))
        return cls(x - w / 2, y - h / 2, w, h, points)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        wide = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        high = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        shared = max(0.0, wide) * max(0.0, high)
        total = self.area + other.area - shared
        return shared / total if total else 0.0

    def lerp(self, other: Box, share: float) -> Box:
        """The box at `share` (0 to 1) of the way to `other`, linearly, with its points."""
        pairs = zip(self.vector, other.vector, strict=False)
        return Box.from_vector([start + (end - start) * share for start, end in pairs])

    def is_near(self, other: Box) -> bool:
        """Whether both can be one face a few frames apart: close together and of similar size."""
        (x, y), (u, v) = self.center, other.center
        narrow, wide = sorted((self.w, other.w))
        return hypot(x - u, y - v) <= _MAX_DISTANCE * wide and wide <= _MAX_SIZE_RATIO * narrow

    def moved(self, x: float, y: float) -> Box:
        """The box and its points, shifted by (x, y)."""
        points = tuple((u + x, v + y) for u, v in self.points)
        return Box(self.x + x, self.y + y, self.w, self.h, points)

    def scaled(self, factor: float) -> Box:
        """The box and its points in a frame that is resized by this factor."""
        points = tuple((u * factor, v * factor) for u, v in self.points)
        return Box(self.x * factor, self.y * factor, self.w * factor, self.h * factor, points)

    def expanded(self, factor: float) -> Box:
        """The box resized about its own center; its points stay."""
        x, y = self.center
        w, h = self.w * factor, self.h * factor
        return replace(self, x=x - w / 2, y=y - h / 2, w=w, h=h)

    def clipped(self, width: int, height: int) -> Box:
        """The part of the box inside a frame of this size."""
        x, y = min(max(self.x, 0.0), width), min(max(self.y, 0.0), height)
        right, bottom = min(self.x + self.w, width), min(self.y + self.h, height)
        return replace(self, x=x, y=y, w=max(0.0, right - x), h=max(0.0, bottom - y))

    def haar_to_face(self) -> Box:
        """A square of the Haar cascade as a face rectangle: narrower, and down to the chin.

        The square is about a sixth too wide and cuts off the chin. The networks were trained with
        the rectangles of other detectors.
        """
        trim = _SIDE_TRIM * self.w
        wide, high = self.w - 2 * trim, self.h * (1 + _CHIN_REACH)
        return replace(self, x=self.x + trim, w=wide, h=high)

    @classmethod
    def centered_at(cls, center: tuple[float, float], w: float, h: float) -> Self:
        """A box of this size with this center."""
        return cls(center[0] - w / 2, center[1] - h / 2, w, h)
