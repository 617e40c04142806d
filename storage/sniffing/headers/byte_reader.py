"""Reads parts of a file at given offsets, and never beyond its end."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import BinaryIO

_PIECE_BYTES = 64 * 1024


class Doubtful(Exception):
    """A header that is damaged, or that two programs could read differently; says why."""


class ByteReader:
    """A seekable binary file of known size. Reads what is asked for, or raises `Doubtful`."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size

    def at(self, offset: int, count: int) -> bytes:
        """The bytes from `offset` on, exactly `count` of them."""
        if offset + count > self.size:
            raise Doubtful("it is damaged or truncated")
        self._file.seek(offset)
        return self._file.read(count)

    def unpack(self, offset: int, layout: str) -> tuple[Any, ...]:
        """The values of a `struct` layout at an offset."""
        return struct.unpack(layout, self.at(offset, struct.calcsize(layout)))

    def contains(self, pattern: bytes, start: int) -> bool:
        """Whether the pattern occurs at or after `start`; reads 64 KB at a time."""
        self._file.seek(start)
        tail = b""
        while piece := self._file.read(_PIECE_BYTES):
            if pattern in tail + piece:
                return True
            tail = piece[1 - len(pattern) :]
        return False
