"""What an AVIF file says of its colors and its rotation, which OpenCV does not tell."""

from __future__ import annotations

import struct
from typing import Final

from runtime.media import formats
from runtime.media.detection import identify

_HEAD_BYTES: Final = 64 * 1024
"""Where the properties of an image are looked for; its pixels come after them."""

_ORIENTATIONS: Final = {
    None: (1, 8, 3, 6),
    0: (4, 5, 2, 7),
    1: (2, 7, 4, 5),
}
"""EXIF orientations by the axis of the mirror and the quarter turns counterclockwise before it."""


def is_avif(content: bytes) -> bool:
    """Whether it is a still or animated AVIF."""
    return identify(content) in {formats.AVIF, formats.ANIMATED_AVIF}


def bit_depth(content: bytes) -> int:
    """Bits of a channel, from the configuration of the AV1 decoder (`av1C`): 8, 10 or 12."""
    start = content.find(b"av1C", 0, _HEAD_BYTES)
    if start < 0 or len(content) < start + 7:
        return 8
    flags = content[start + 6]
    high, twelve = flags & 0x40, flags & 0x20
    return (12 if twelve else 10) if high else 8


def transfer_and_primaries(content: bytes) -> tuple[int, int]:
    """Numbers of ITU-T H.273 from the color box (`colr` with `nclx`); 2 where there is none."""
    start = content.find(b"colrnclx", 0, _HEAD_BYTES)
    if start < 0 or len(content) < start + 12:
        return 2, 2
    primaries, transfer = struct.unpack_from(">HH", content, start + 8)
    return transfer, primaries


def orientation(content: bytes) -> int:
    """The orientation, as EXIF counts, by the boxes `irot` and `imir`.

    The specification and browsers let them decide alone: an AVIF without them is upright, whatever
    its EXIF says.
    """
    turns, axis = _small_box(content, b"irot"), _small_box(content, b"imir")
    return _ORIENTATIONS[None if axis is None else axis & 1][(turns or 0) & 3]


def _small_box(content: bytes, kind: bytes) -> int | None:
    """The one byte that a box has."""
    start = content.find(b"\0\0\0\x09" + kind, 0, _HEAD_BYTES)
    return content[start + 8] if 0 <= start < len(content) - 8 else None
