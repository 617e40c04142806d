"""The eight orientations of EXIF, which MP4 and MOV share, and rotation of images."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

UPRIGHT: Final = 1
"""The orientation of an image that needs no rotation."""

_ROTATIONS: Final = {
    3: cv2.ROTATE_180,
    6: cv2.ROTATE_90_CLOCKWISE,
    8: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_FLIPS: Final = {2: 1, 4: 0}
_TURNS: Final = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}

# Where a display matrix sends the axes, (a, b, c, d) -> EXIF orientation.
_MATRICES: Final = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}

_UNKNOWN_KINDS: Final = range(28, 48)
"""Kinds of side data that FFmpeg has and PyAV does not know: the EXIF of a PNG or an MJPEG, the
views of a spatial video."""


def upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The image as it is meant to be displayed."""
    if orientation in _ROTATIONS:
        return cv2.rotate(image, _ROTATIONS[orientation])
    if orientation in _FLIPS:
        return cv2.flip(image, _FLIPS[orientation])
    if orientation == 5:
        return cv2.transpose(image)
    if orientation == 7:
        return cv2.rotate(cv2.transpose(image), cv2.ROTATE_180)
    return image


def sideways(orientation: int) -> bool:
    """Whether width and height are swapped."""
    return orientation >= 5


def degrees(orientation: int) -> int:
    """Clockwise rotation that makes it upright, ignoring mirroring."""
    return _TURNS.get(orientation, 0)


def of_frame(frame: VideoFrame) -> int:
    """The orientation that a container declares; any other rotation counts as upright."""
    matrix = _side_data(frame).get("DISPLAYMATRIX")
    if matrix is None:
        return UPRIGHT
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32) / 65536
    return _MATRICES.get((round(a), round(b), round(c), round(d)), UPRIGHT)


def _side_data(frame: VideoFrame) -> Any:
    try:
        return frame.side_data
    except ValueError:
        return _with_known_data(frame).side_data


def _with_known_data(frame: VideoFrame) -> VideoFrame:
    """The frame without side data of the kinds that PyAV refuses to read."""
    # Only these rare clips need filters: FFmpeg would take 30 MB in the decoder of images.
    from av.filter import Graph

    graph = Graph()
    graph.threads = 1
    frames = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
    )
    deleting = [graph.add("sidedata", f"mode=delete:type={kind}") for kind in _UNKNOWN_KINDS]
    graph.link_nodes(frames, *deleting, graph.add("buffersink"))
    graph.configure()
    graph.push(frame)
    return cast("VideoFrame", graph.pull())


def of_exif(exif: bytes) -> int:
    """The orientation tag of an EXIF block or a TIFF file, which have the same header."""
    block = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return UPRIGHT
    try:
        (first,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, first)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", block, first + 2 + 12 * entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else UPRIGHT
    except struct.error:
        pass
    return UPRIGHT
