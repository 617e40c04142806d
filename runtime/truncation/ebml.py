"""Matroska and WebM: a `Segment`, whose size is known unless it was written live."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from runtime.truncation.missing import Missing, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.truncation.missing import Bytes

_SEGMENT: Final = 0x18538067
_INFO: Final = 0x1549A966
_CLUSTER: Final = 0x1F43B675
_SCALE: Final = 0x2AD7B1
_DURATION: Final = 0x4489


def matroska(data: Bytes) -> Missing | None:
    """Whether the segment ends within the file."""
    for element, at, length in _elements(data, 0, data.size):
        if element == _SEGMENT and length is not None:
            return share(at + length - data.size, length, _seconds(data, at, at + length))
    return None


def _seconds(data: Bytes, at: int, end: int) -> float | None:
    """The duration of the segment, if it is stated before the media."""
    for element, begin, length in _elements(data, at, end):
        if element == _INFO and length is not None:
            return _duration(data, begin, begin + length)
        if element == _CLUSTER:
            break
    return None


def _duration(data: Bytes, at: int, end: int) -> float | None:
    scale, ticks = 1_000_000, None
    for element, begin, length in _elements(data, at, end):
        if element == _SCALE and length is not None and length <= 8:
            scale = int.from_bytes(data.read(begin, length), "big")
        elif element == _DURATION and length in {4, 8}:
            (ticks,) = data.unpack(begin, ">f" if length == 4 else ">d")
    return None if ticks is None else ticks * scale / 1e9


def _elements(data: Bytes, at: int, end: int) -> Iterator[tuple[int, int, int | None]]:
    """Id, begin of the contents and their length, which is None if it is unknown."""
    while at < min(end, data.size) and data.read(at, 1) != b"\0":
        element, at = _number(data, at, marker=True)
        stated, begin = _number(data, at, marker=False)
        unknown = stated == (1 << 7 * (begin - at)) - 1
        yield element, begin, None if unknown else stated
        if unknown:
            return
        at = begin + stated


def _number(data: Bytes, at: int, *, marker: bool) -> tuple[int, int]:
    """A number of variable length, with or without its marker bit, and the place after it."""
    head = data.read(at, 8)
    count = 9 - head[0].bit_length() if head else 9
    if len(head) < count:
        raise struct.error("not EBML, or cut off")
    value = int.from_bytes(head[:count], "big")
    return value if marker else value & ((1 << 7 * count) - 1), at + count
