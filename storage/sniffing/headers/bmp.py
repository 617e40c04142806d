"""The size of a Windows bitmap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storage.sniffing.headers.byte_reader import Doubtful

if TYPE_CHECKING:
    from storage.sniffing.headers.byte_reader import ByteReader

_HEADERS: Final = frozenset({40, 52, 56, 108, 124})
"""Sizes of the headers of Windows. OS/2 has others, in which the same bytes mean other things."""
_BITS: Final = frozenset({1, 4, 8, 16, 24, 32})


def size(data: ByteReader) -> tuple[int, int]:
    """Width and height; the height is negative in a file whose first row is the top one."""
    header, width, height, planes, bits = data.unpack(14, "<IiiHH")
    if header not in _HEADERS:
        raise Doubtful("it is not a bitmap of Windows")
    if width <= 0 or planes != 1 or bits not in _BITS:
        raise Doubtful("it has a negative width, or an unknown kind of pixels")
    return width, abs(height)
