"""Convert decoded frames to 8-bit BGR in sRGB, on white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from models.video.color import flags
from models.video.color.alpha import composite
from models.video.color.color_table import ColorTable

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

    Size = tuple[int, int]


class FrameColors:
    """Converts the frames of one stream.

    HDR (PQ, HLG) is tone-mapped, a wide gamut is reduced to that of sRGB, and what is transparent
    is composited on white. Matrix and range are those of the frame's flags.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._small = VideoReformatter()
        self._tables: dict[tuple[Any, ...], ColorTable] = {}

    def to_bgr(self, frame: VideoFrame, size: Size) -> NDArray[np.uint8]:
        """A new array `(H, W, 3)` of uint8 in this size, width first."""
        wide = flags.transfer_and_primaries(frame)
        if flags.frame_format(frame.format.name).alpha:
            # Colors that are transparent must not get into others by scaling: composite first.
            return self._scaled(composite(self._bgra(frame, wide)), size)
        if wide is not None:
            return self._mapped(frame, "gbrpf32le", size, wide)
        return _pixels(self._reformat(frame, "bgr24", size))

    def _bgra(self, frame: VideoFrame, wide: tuple[int, int] | None) -> NDArray[np.uint8]:
        size = frame.width, frame.height
        if wide is None:
            return _pixels(self._reformat(frame, "bgra", size))
        return self._mapped(frame, "gbrapf32le", size, wide)

    def _mapped(
        self, frame: VideoFrame, format: str, size: Size, wide: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """The frame in sRGB: BGR, with alpha where the format has it.

        As planes of floats, which `haldclut` maps three times as fast as packed integers; planes of
        integers come back with their channels in another order.
        """
        signal = self._reformat(frame, format, size)
        key = (*size, format, *wide)
        if key not in self._tables:
            self._tables = {key: ColorTable(signal, transfer=wide[0], primaries=wide[1])}
        green, blue, red, *alpha = map(_eight_bits, self._tables[key](signal).planes)
        return np.asarray(cv2.merge([blue, green, red, *alpha]), dtype=np.uint8)

    def _reformat(self, frame: VideoFrame, format: str, size: Size) -> VideoFrame:
        width, height = size
        return self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format=format,
            src_colorspace=flags.matrix(frame),
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )

    def _scaled(self, image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
        height, width, _ = image.shape
        if (width, height) == size:
            return image
        frame = av.VideoFrame.from_numpy_buffer(image, format="bgr24")
        small = self._small.reformat(frame, width=size[0], height=size[1], threads=1)
        return _pixels(small)


def _eight_bits(plane: Any) -> NDArray[np.uint8]:
    """The values of a plane of floats within 0..1."""
    rows = np.frombuffer(plane, np.float32).reshape(-1, plane.line_size // 4)
    values = rows[: plane.height, : plane.width]
    return np.asarray(cv2.convertScaleAbs(values, alpha=255), dtype=np.uint8)


def _pixels(frame: VideoFrame) -> NDArray[np.uint8]:
    pixels: Any = frame.to_ndarray()
    image: NDArray[np.uint8] = pixels
    return image
