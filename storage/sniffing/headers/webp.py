"""The size of a WebP: the canvas and the image in it must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storage.sniffing.headers.byte_reader import Doubtful

if TYPE_CHECKING:
    from storage.sniffing.headers.byte_reader import ByteReader

MAX_CHUNKS: Final = 1000

_SIZED: Final = (b"VP8X", b"VP8 ", b"VP8L")
"""Chunks that state a size: the canvas, and the image with or without losses."""


def size(data: ByteReader) -> tuple[int, int]:
    """Width and height as stored. An animated WebP is refused: its frames have other sizes."""
    (length,) = data.unpack(4, "<I")
    at, end = 12, 8 + length
    if end > data.size:
        raise Doubtful("it is damaged or truncated")
    found: dict[bytes, tuple[int, int]] = {}
    for _ in range(MAX_CHUNKS):
        kind, length = data.unpack(at, "<4sI")
        if kind in {b"ANIM", b"ANMF"}:
            raise Doubtful("it is animated")
        if at + 8 + length > end or (not found and kind not in _SIZED) or kind in found:
            raise Doubtful("it is damaged, or states two sizes")
        if kind in _SIZED:
            found[kind] = _READERS[kind](data, at + 8)
        at += 8 + length + length % 2
        if at >= end:
            return _agreed(found)
    raise Doubtful(f"it has more than {MAX_CHUNKS:,} chunks")


def _agreed(found: dict[bytes, tuple[int, int]]) -> tuple[int, int]:
    images = [found[kind] for kind in (b"VP8 ", b"VP8L") if kind in found]
    if len(images) != 1 or len(set(found.values())) != 1:
        raise Doubtful("it states two sizes, or has no image")
    return images[0]


def _canvas(data: ByteReader, at: int) -> tuple[int, int]:
    width, height = data.at(at + 4, 3), data.at(at + 7, 3)
    return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1


def _lossy(data: ByteReader, at: int) -> tuple[int, int]:
    tag, *start, width, height = data.unpack(at, "<BxxBBBHH")
    if tag & 1 or start != [0x9D, 0x01, 0x2A]:
        raise Doubtful("its image does not begin with a key frame")
    return width & 0x3FFF, height & 0x3FFF


def _lossless(data: ByteReader, at: int) -> tuple[int, int]:
    signature, bits = data.unpack(at, "<BI")
    if signature != 0x2F or bits >> 29:
        raise Doubtful("its image is of an unknown version")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


_READERS: Final = {b"VP8X": _canvas, b"VP8 ": _lossy, b"VP8L": _lossless}
