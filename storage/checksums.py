"""Size and CRC32C of bytes, counted while they pass."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import google_crc32c

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from storage.base import StoredObject

CHUNK_BYTES = 1024 * 1024


class Tally:
    """How many bytes passed, and their CRC32C."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._checksum = google_crc32c.Checksum()

    def add(self, chunk: bytes) -> None:
        """Count one piece."""
        self.size_bytes += len(chunk)
        self._checksum.update(chunk)

    @property
    def crc32c(self) -> str:
        """Base64 of the big-endian CRC32C."""
        return base64.b64encode(self._checksum.digest()).decode("ascii")

    def matches(self, stored: StoredObject) -> bool:
        """Tell whether these bytes are the object's bytes."""
        return (self.size_bytes, self.crc32c) == (stored.size_bytes, stored.crc32c)


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """Read a file to its end in pieces of `CHUNK_BYTES`."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def tally_of(path: Path) -> Tally:
    """Count a whole file."""
    tally = Tally()
    with path.open("rb") as file:
        for chunk in chunks_of(file):
            tally.add(chunk)
    return tally
