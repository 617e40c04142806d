"""Convert decoded frames to upright BGR images in sRGB with square pixels."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from models.video import orientation, source
from models.video.color.frame_colors import FrameColors

if TYPE_CHECKING:
    import numpy as np
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray


def display_size(stream: VideoStream, frame: VideoFrame) -> tuple[int, int]:
    """Width and height as displayed: with square pixels and upright."""
    width, height = _square(stream, frame)
    return (height, width) if orientation.sideways(orientation.of_frame(frame)) else (width, height)


class FrameConverter:
    """Converts the frames of a stream, all in the size and orientation of the first.

    No side becomes longer than `max_side`.
    """

    def __init__(self, stream: VideoStream, *, max_side: int | None) -> None:
        self._stream = stream
        self._max_side = max_side
        self._size: tuple[int, int] | None = None
        self._orientation = orientation.UPRIGHT
        self._colors = FrameColors()

    def to_bgr(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """A new array `(H, W, 3)` of uint8, which the caller owns."""
        if self._size is None:
            self._size = self._fit(*_square(self._stream, frame))
            # Once only: PyAV's side data and frame hold each other until the next collection.
            self._orientation = orientation.of_frame(frame)
        image = self._colors.to_bgr(frame, self._size)
        return orientation.upright(image, self._orientation)

    def _fit(self, width: int, height: int) -> tuple[int, int]:
        longest = max(width, height)
        if self._max_side is None or longest <= self._max_side:
            return width, height
        scale = Fraction(self._max_side, longest)
        return max(round(width * scale), 1), max(round(height * scale), 1)


def _square(stream: VideoStream, frame: VideoFrame) -> tuple[int, int]:
    shape = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 4) <= shape <= 4:
        shape = Fraction(1)
    width = max(round(frame.width * shape), 1)
    source.require_pixels(width, frame.height)
    return width, frame.height
