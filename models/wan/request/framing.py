"""How an image of one size is placed on a frame of another: cropped or padded, never distorted."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

MAX_CROP: Final = Fraction(1, 16)
"""Share of the image that is cropped even with `pad`: a padding of a few pixels looks broken.

Flooring the sides of a frame to a multiple of 16 or 32 changes its ratio by less.
"""


@dataclass(frozen=True)
class Rectangle:
    """A rectangle in whole pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Framing:
    """A part of an image, scaled onto a part of a frame."""

    image_size: tuple[int, int]
    """Width and height."""
    frame_size: tuple[int, int]
    """Width and height."""
    crop: Rectangle
    """The part of the image that is shown, in pixels of the image."""
    area: Rectangle
    """Where it is shown, in pixels of the frame; a blurred copy of the image surrounds it."""

    @property
    def scale(self) -> float:
        """Pixels of the frame for one pixel of the image."""
        return max(self.area.width / self.crop.width, self.area.height / self.crop.height)

    def describe(self) -> str:
        """What was done to the image, for the notes of a job."""
        enlarged = f", enlarged {self.scale:.1f} times" if self.scale > 1.05 else ""
        if (self.crop.width, self.crop.height) != self.image_size:
            return f"cropped to {_size(self.crop)} around its center{enlarged}"
        if (self.area.width, self.area.height) != self.frame_size:
            return f"whole, as {_size(self.area)} on a blurred copy of itself{enlarged}"
        return f"whole{enlarged}"


def frame_image(
    image_size: tuple[int, int], frame_size: tuple[int, int], fit: Literal["crop", "pad"]
) -> Framing:
    """Center an image of this width and height on a frame.

    Sides are rounded to whole pixels; the ratio changes by no more than that. Where the ratios
    differ by no more than `MAX_CROP`, the image is cropped with either `fit`.
    """
    scales = Fraction(frame_size[0], image_size[0]), Fraction(frame_size[1], image_size[1])
    if fit == "crop" or min(scales) >= (1 - MAX_CROP) * max(scales):
        crop = _centered(image_size, frame_size, 1 / max(scales))
        return Framing(image_size, frame_size, crop, Rectangle(0, 0, *frame_size))
    area = _centered(frame_size, image_size, min(scales))
    return Framing(image_size, frame_size, Rectangle(0, 0, *image_size), area)


def _centered(outer: tuple[int, int], inner: tuple[int, int], scale: Fraction) -> Rectangle:
    """The scaled inner size, centered in the outer one."""
    width, height = (
        min(limit, max(1, round(side * scale))) for limit, side in zip(outer, inner, strict=True)
    )
    return Rectangle((outer[0] - width) // 2, (outer[1] - height) // 2, width, height)


def _size(rectangle: Rectangle) -> str:
    return f"{rectangle.width} x {rectangle.height}"
