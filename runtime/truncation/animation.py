"""GIF, PNG (APNG) and WebP: blocks and chunks up to a mark of the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.truncation.missing import Missing, share

if TYPE_CHECKING:
    from runtime.truncation.missing import Bytes

_IMAGE: Final = 0x2C
_EXTENSION: Final = 0x21
_FULL: Final = b"\xff"
_RUN_BYTES: Final = 64 * 256
"""Full blocks that are passed at once, so that a GIF of 80 MB is judged, too."""


def webp(data: Bytes) -> Missing | None:
    """The size of the RIFF."""
    (length,) = data.unpack(4, "<I")
    return share(8 + length - data.size, length, None)


def png(data: Bytes) -> Missing | None:
    """Chunks with a checksum after each; a still is left to its decoder."""
    at, animated = 8, False
    while at + 8 <= data.size:
        length, name = data.unpack(at, ">I4s")
        at += 12 + length
        animated |= name == b"acTL"
        if name == b"IEND":
            return None
    return share(max(at - data.size, 1), at, None) if animated else None


def gif(data: Bytes) -> Missing | None:
    """Blocks of at most 255 bytes. A file may end without its trailer, but not within an image."""
    at = 13 + _color_table(data, 10)
    while at < data.size:
        (kind,) = data.unpack(at, "B")
        if kind == _IMAGE:
            at = _after_blocks(data, at + 11 + _color_table(data, at + 9))
        elif kind == _EXTENSION:
            at = _after_blocks(data, at + 2)
        else:
            return None
    return share(at - data.size, at, None)


def _color_table(data: Bytes, at: int) -> int:
    """Bytes of the color table that the flags at this place announce."""
    flags = data.read(at, 1) or b"\0"
    return 3 << (flags[0] & 7) + 1 if flags[0] & 0x80 else 0


def _after_blocks(data: Bytes, at: int) -> int:
    while at < data.size:
        (length,) = data.unpack(at, "B")
        at += 1 + length
        if length == 0:
            return at
        if length == _FULL[0]:
            lengths = data.read(at, _RUN_BYTES)[::256]
            at += 256 * (len(lengths) - len(lengths.lstrip(_FULL)))
    return at + 1
