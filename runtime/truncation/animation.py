"""GIF, PNG (APNG) and WebP: blocks and chunks up to a mark of the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.truncation.missing import Missing, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.truncation.missing import Bytes

IMAGE: Final = 0x2C
"""Kind of a block of a GIF: a frame."""
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
    end, animated = 8, False
    for name, after in png_chunks(data):
        end = after
        animated |= name == b"acTL"
        if name == b"IEND":
            return None
    return share(max(end - data.size, 1), end, None) if animated else None


def png_chunks(data: Bytes) -> Iterator[tuple[bytes, int]]:
    """Name of each chunk, and the place after it."""
    at = 8
    while at + 8 <= data.size:
        length, name = data.unpack(at, ">I4s")
        at += 12 + length
        yield name, at


def gif(data: Bytes) -> Missing | None:
    """Blocks of at most 255 bytes. A file may end without its trailer, but not within an image."""
    end = 0
    for _, after in gif_blocks(data):
        end = after
    return share(end - data.size, end, None)


def gif_blocks(data: Bytes) -> Iterator[tuple[int, int]]:
    """Kind of each image and extension up to the trailer, and the place after it.

    The first is the header, of kind 0.
    """
    at = 13 + _color_table(data, 10)
    yield 0, at
    while at < data.size:
        (kind,) = data.unpack(at, "B")
        if kind == IMAGE:
            at = _after_blocks(data, at + 11 + _color_table(data, at + 9))
        elif kind == _EXTENSION:
            at = _after_blocks(data, at + 2)
        else:
            return
        yield kind, at


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
