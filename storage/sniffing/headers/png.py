"""The size of a PNG: one header, and no other chunk with a size."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from storage.sniffing.headers.byte_reader import Doubtful

if TYPE_CHECKING:
    from storage.sniffing.headers.byte_reader import ByteReader

MAX_CHUNKS: Final = 50_000
"""A picture of 20 MB in chunks of 8 kB has 2,500; a larger one may have one for each 4 kB."""

_OTHER_SIZES: Final = frozenset({b"IHDR", b"acTL", b"fcTL", b"fdAT"})
"""A second header, and what belongs to an animation."""
_BITS: Final = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""Bits per channel that each color type may have."""


def size(data: ByteReader) -> tuple[int, int]:
    """Width and height as stored. What follows the end of the image does not count.

    An animated PNG is refused: its frames have sizes of their own.
    """
    found, at = _header(data), 33
    limit = max(MAX_CHUNKS, data.size // 4096)
    for _ in range(limit):
        if at == data.size:
            return found
        length, kind = data.unpack(at, ">I4s")
        if kind == b"IEND" or not kind.isalpha():  # no decoder reads on
            return found
        if kind in _OTHER_SIZES:
            raise Doubtful("it states two sizes, or is animated")
        at += 12 + length
        if at > data.size:
            raise Doubtful("it is damaged or truncated")
    raise Doubtful(f"it has more than {limit:,} chunks")


def _header(data: ByteReader) -> tuple[int, int]:
    length, kind, width, height, bits, color, *methods, crc = data.unpack(8, ">I4sIIBBBBBI")
    if (length, kind) != (13, b"IHDR") or crc != zlib.crc32(data.at(12, 17)):
        raise Doubtful("it does not begin with an intact header")
    if bits not in _BITS.get(color, set()) or methods not in ([0, 0, 0], [0, 0, 1]):
        raise Doubtful("it has an unknown kind of pixels")
    return width, height
