"""Where a picture of any size comes to lie on a frame of another: cut or padded, never squashed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

SLIGHT: Final = Fraction(1, 16)
"""A share of the picture that is cut off rather than padded: a hem of a few pixels looks broken.

Flooring the sides of a frame to 16 or 32 changes its ratio by less.
"""


@dataclass(frozen=True)
class Box:
    """A rectangle in whole pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Placement:
    """A part of the picture, scaled onto a place of the frame."""

    picture: tuple[int, int]
    frame: tuple[int, int]
    part: Box
    """In pixels of the picture."""
    place: Box
    """In pixels of the frame; around it lies a blurred copy of the picture."""

    @property
    def scale(self) -> float:
        """Pixels of the frame for one of the picture."""
        return max(self.place.width / self.part.width, self.place.height / self.part.height)

    def sentence(self) -> str:
        """What was done to the picture."""
        enlarged = f", enlarged {self.scale:.1f} times" if self.scale > 1.05 else ""
        if (self.part.width, self.part.height) != self.picture:
            return f"cut to {_size(self.part)} about its middle{enlarged}"
        if (self.place.width, self.place.height) != self.frame:
            return f"whole, as {_size(self.place)} before a blurred copy of itself{enlarged}"
        return f"whole{enlarged}"


def placed(
    picture: tuple[int, int], frame: tuple[int, int], fit: Literal["crop", "pad"]
) -> Placement:
    """Place a picture of this width and height about the middle of a frame.

    Sides are rounded to whole pixels; the ratio changes by no more than that. Where the ratios
    differ by no more than `SLIGHT`, a picture is cut in both cases.
    """
    scales = Fraction(frame[0], picture[0]), Fraction(frame[1], picture[1])
    if fit == "crop" or min(scales) >= (1 - SLIGHT) * max(scales):
        part = _middle(picture, frame, 1 / max(scales))
        return Placement(picture, frame, part, Box(0, 0, *frame))
    return Placement(picture, frame, Box(0, 0, *picture), _middle(frame, picture, min(scales)))


def _middle(outer: tuple[int, int], inner: tuple[int, int], scale: Fraction) -> Box:
    """The scaled inner size, about the middle of the outer one."""
    width, height = (
        min(limit, max(1, round(side * scale))) for limit, side in zip(outer, inner, strict=True)
    )
    return Box((outer[0] - width) // 2, (outer[1] - height) // 2, width, height)


def _size(box: Box) -> str:
    return f"{box.width} x {box.height}"
