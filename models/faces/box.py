"""A bounding box in pixels of a frame, and its geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, hypot, radians, sin
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
    none. `angle` is the tilt of the head, in degrees clockwise; the size is then measured along
    the head, about the same center.
    """

    x: float
    y: float
    w: float
    h: float
    points: tuple[Point, ...] = ()
    angle: float = 0.0

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
        """All that moves with the face, for filters: center, size, angle, then each point."""
        points = (value for point in self.points for value in point)
        return *self.center, self.w, self.h, self.angle, *points

    @classmethod
    def from_vector(cls, numbers: Sequence[float]) -> Self:
        """The box of a `vector`."""
        x, y, w, h, angle, *rest = numbers
        points = tuple(zip(rest[::2], rest[1::2], strict=True))
        return cls(x - w / 2, y - h / 2, w, h, points, angle)

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
        return replace(self, x=self.x + x, y=self.y + y, points=points)

    def scaled(self, factor: float) -> Box:
        """The box and its points in a frame that is resized by this factor."""
        points = tuple((u * factor, v * factor) for u, v in self.points)
        x, y, w, h = (value * factor for value in (self.x, self.y, self.w, self.h))
        return Box(x, y, w, h, points, self.angle)

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
        wide, high = self.w * (1 - 2 * _SIDE_TRIM), self.h * (1 + _CHIN_REACH)
        down = self.h * _CHIN_REACH / 2
        x, y = self.center
        tilt = radians(self.angle)
        center = x - down * sin(tilt), y + down * cos(tilt)
        return replace(self, x=center[0] - wide / 2, y=center[1] - high / 2, w=wide, h=high)

    @property
    def quarter_turns(self) -> int:
        """Quarter turns clockwise nearest to the angle: 0 for an upright or slightly tilted head.

        `numpy.rot90` turns a picture by as many counterclockwise.
        """
        return round(self.angle / 90) % 4

    def in_turned_frame(self, width: int, height: int) -> Box:
        """The box in `numpy.rot90(frame, quarter_turns)` of a frame of this size."""
        turns = self.quarter_turns
        transforms = (
            ((1, 0, 0), (0, 1, 0)),
            ((0, 1, 0), (-1, 0, width)),
            ((-1, 0, width), (0, -1, height)),
            ((0, -1, height), (1, 0, 0)),
        )
        angle = self.angle - 90 * round(self.angle / 90)
        return self.transformed(transforms[turns], angle) if turns else self

    def transformed(self, transform: Sequence[Sequence[float]], angle: float) -> Box:
        """The box in a picture that an affine transform (2 x 3) without scaling turns.

        `angle` is the tilt of the head there.
        """
        (a, b, u), (c, d, v) = transform
        x, y = self.center
        points = tuple((a * p + b * q + u, c * p + d * q + v) for p, q in self.points)
        center = a * x + b * y + u, c * x + d * y + v
        return replace(Box.centered_at(center, self.w, self.h), points=points, angle=angle)

    @classmethod
    def centered_at(cls, center: tuple[float, float], w: float, h: float) -> Self:
        """A box of this size with this center."""
        return cls(center[0] - w / 2, center[1] - h / 2, w, h)
