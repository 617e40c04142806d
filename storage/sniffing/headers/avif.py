"""The size of an AVIF: the largest that any picture in it states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storage.sniffing.headers.byte_reader import Doubtful

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.sniffing.headers.byte_reader import ByteReader

MAX_BOXES: Final = 2000
"""Of one level. A picture of 64 million pixels has a few dozen."""

_PATH: Final = (b"meta", b"iprp", b"ipco")
"""Boxes around the properties of all pictures."""
_META_HEADER: Final = 4
"""Version and flags, which `meta` has before its boxes."""


def size(data: ByteReader) -> tuple[int, int]:
    """Width and height as stored. A thumbnail or a tile is smaller than the picture."""
    start, end = 0, data.size
    for kind in _PATH:
        found = [place for one, *place in _boxes(data, start, end) if one == kind]
        if len(found) != 1:
            raise Doubtful(f"it does not have one box {kind.decode()}")
        start, end = found[0]
        start += _META_HEADER if kind == b"meta" else 0
    sizes = [
        data.unpack(at + 4, ">II") for one, at, _ in _boxes(data, start, end) if one == b"ispe"
    ]
    if not sizes:
        raise Doubtful("it states no size")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return width, height


def _boxes(data: ByteReader, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each box of one level."""
    for _ in range(MAX_BOXES):
        if at == end:
            return
        length, kind = data.unpack(at, ">I4s")
        header = 8
        if length == 1:
            (length,), header = data.unpack(at + 8, ">Q"), 16
        stop = end if length == 0 else at + length
        if stop > end or stop < at + header:
            raise Doubtful("it is damaged or truncated")
        yield kind, at + header, stop
        at = stop
    raise Doubtful(f"it has more than {MAX_BOXES:,} boxes")
