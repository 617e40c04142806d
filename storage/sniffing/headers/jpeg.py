"""The size of a JPEG: its segments up to the first scan, one after another without a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storage.sniffing.headers.byte_reader import Doubtful

if TYPE_CHECKING:
    from storage.sniffing.headers.byte_reader import ByteReader

MAX_SEGMENTS: Final = 2000
"""A picture of 20 MB with color profile, previews and metadata has about 300."""

_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Start of a frame: baseline, extended and progressive, with Huffman or arithmetic coding."""
_TABLES: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})
"""Huffman and arithmetic tables, quantization, restart interval, comment, application data."""
_SCAN: Final = 0xDA
_END: Final = b"\xff\xd9"


def size(data: ByteReader) -> tuple[int, int]:
    """Width and height as stored. What follows the end of the image does not count.

    Decoders skip bytes between two segments (`FF 00`, fill bytes), and may find a segment there
    that another program takes for contents. Such files are refused, as are those with two frames,
    with a height that follows later (DNL), or of several layers.
    """
    at, found = 2, None
    for _ in range(MAX_SEGMENTS):
        prefix, marker, length = data.unpack(at, ">BBH")
        if prefix != 0xFF or length < 2 or marker not in _FRAMES | _TABLES | {_SCAN}:
            raise Doubtful("it has bytes between its segments, or a segment of an unknown kind")
        if marker == _SCAN:
            break
        if marker in _FRAMES:
            if found is not None:
                raise Doubtful("it states two sizes")
            found = _frame_size(data, at, length)
        at += 2 + length
    else:
        raise Doubtful(f"it has more than {MAX_SEGMENTS:,} segments")
    if found is None:
        raise Doubtful("it states no size")
    if not data.contains(_END, at + 2 + length):
        raise Doubtful("it is damaged or truncated")
    return found


def _frame_size(data: ByteReader, at: int, length: int) -> tuple[int, int]:
    bits, height, width, components = data.unpack(at + 4, ">BHHB")
    if bits != 8 or components not in {1, 3, 4} or length != 8 + 3 * components:
        raise Doubtful("it does not have 8 bits in 1, 3 or 4 channels")
    return width, height
