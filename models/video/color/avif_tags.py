"""What an AVIF file says of its colors, which OpenCV does not tell."""

from __future__ import annotations

import struct
from typing import Final

from runtime.media import formats
from runtime.media.detection import identify

_HEAD_BYTES: Final = 64 * 1024
"""Where the properties of an image are looked for; its pixels come after them."""


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
