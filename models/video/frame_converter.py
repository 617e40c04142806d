"""Convert decoded frames to upright BGR images with square pixels."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from models.video import orientation, source

if TYPE_CHECKING:
    import numpy as np
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

_UNSPECIFIED = 2
_HD_HEIGHT = 720


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
        self._reformatter = VideoReformatter()

    def to_bgr(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """A new array `(H, W, 3)` of uint8, which the caller owns."""
        if self._size is None:
            self._size = self._fit(*_square(self._stream, frame))
            # Once only: PyAV's side data and frame hold each other until the next collection.
            self._orientation = orientation.of_frame(frame)
        width, height = self._size
        image = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="bgr24",
            src_colorspace=_colorspace(frame),
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        return orientation.upright(image.to_ndarray(), self._orientation)

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


def _colorspace(frame: VideoFrame) -> Colorspace | None:
    """The color space of an untagged file: BT.709 from 720 lines on, else BT.601."""
    if frame.colorspace == _UNSPECIFIED and frame.height >= _HD_HEIGHT:
        return Colorspace.ITU709
    return None
