"""The size of a GIF: its screen, which must contain the first frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storage.sniffing.headers.byte_reader import Doubtful

if TYPE_CHECKING:
    from storage.sniffing.headers.byte_reader import ByteReader

MAX_BLOCKS: Final = 20_000
"""Blocks of up to 255 bytes before the first frame, also empty ones: 5 MB of metadata."""

_EXTENSION, _IMAGE = 0x21, 0x2C


def size(data: ByteReader) -> tuple[int, int]:
    """Width and height of the screen. Later frames of an animation do not count.

    Some decoders enlarge the screen for a frame that extends beyond it: such files are refused.
    """
    width, height, packed = data.unpack(6, "<HHB")
    at = _first_frame(data, 13 + (3 << (packed & 7) + 1 if packed & 0x80 else 0))
    left, top, frame_width, frame_height = data.unpack(at + 1, "<HHHH")
    if left + frame_width > width or top + frame_height > height or not frame_width * frame_height:
        raise Doubtful("its first frame is not within its screen")
    return width, height


def _first_frame(data: ByteReader, at: int) -> int:
    """The offset of the first image, after extensions, each of which is a list of blocks."""
    within = False
    for _ in range(MAX_BLOCKS):
        (first,) = data.at(at, 1)
        if within:
            within, at = first > 0, at + 1 + first
        elif first == _EXTENSION:
            within, at = True, at + 2
        elif first == _IMAGE:
            return at
        else:
            raise Doubtful("it is damaged or has no image")
    raise Doubtful(f"it has more than {MAX_BLOCKS:,} blocks before its first frame")
