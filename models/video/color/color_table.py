"""Convert HDR and wide-gamut images to sRGB with a table of colors."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat

from models.video.color.transfer import to_srgb

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

_LEVEL: Final = 8
_GRID: Final = _LEVEL**2
"""Values of each channel in the table; colors between them are interpolated (tetrahedral)."""

_TICK: Final = Fraction(1, 25)
"""Time base of the filter; only the order of its frames counts."""


@lru_cache(maxsize=4)
def table(transfer: int, primaries: int) -> NDArray[np.uint16]:
    """sRGB of 16 bits for `_GRID` values of each channel, as the image that `haldclut` takes."""
    axis = np.arange(_GRID) / (_GRID - 1)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    colors = to_srgb(np.stack([red, green, blue], axis=-1), transfer=transfer, primaries=primaries)
    side = _LEVEL**3
    return np.rint(colors * 65_535).astype(np.uint16).reshape(side, side, 3)


class ColorTable:
    """Maps frames of one size and format, packed RGB of 16 bits or planes of floats, to sRGB."""

    def __init__(self, frame: VideoFrame, *, transfer: int, primaries: int) -> None:
        self._graph = Graph()
        self._graph.threads = 1
        self._frames = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=_TICK
        )
        side = _LEVEL**3
        colors = self._graph.add_buffer(
            width=side, height=side, format=VideoFormat("rgb48le"), time_base=_TICK
        )
        mapped = self._graph.add("haldclut")
        self._sink = self._graph.add("buffersink")
        self._frames.link_to(mapped, 0, 0)
        colors.link_to(mapped, 0, 1)
        mapped.link_to(self._sink)
        self._graph.configure()
        self._count = 0
        colors.push(_image(table(transfer, primaries)))
        colors.push(None)

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """The frame in sRGB; its own pixels are left."""
        frame.pts, frame.time_base = self._count, _TICK
        self._count += 1
        self._frames.push(frame)
        mapped: Any = self._sink.pull()
        result: VideoFrame = mapped
        return result


def _image(colors: NDArray[np.uint16]) -> VideoFrame:
    image = av.VideoFrame.from_ndarray(colors, format="rgb48le")
    image.pts, image.time_base = 0, _TICK
    return image
