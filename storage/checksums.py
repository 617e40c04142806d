"""Running size and CRC32C of a byte stream."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from storage.base import StoredObject

CHUNK_BYTES = 1024 * 1024


class Checksum:
    """Number of bytes seen so far, and their CRC32C."""

    def __init__(self) -> None:
        import google_crc32c  # 0.9 MB, for those who store something

        self.size_bytes = 0
        self._crc32c = google_crc32c.Checksum()

    def update(self, chunk: bytes) -> None:
        """Add a chunk of bytes."""
        self.size_bytes += len(chunk)
        self._crc32c.update(chunk)

    @property
    def crc32c(self) -> str:
        """Base64 of the big-endian CRC32C, the spelling of Google Cloud Storage."""
        return base64.b64encode(self._crc32c.digest()).decode("ascii")

    def matches(self, stored: StoredObject) -> bool:
        """Return whether size and CRC32C equal those of the stored object."""
        return (self.size_bytes, self.crc32c) == (stored.size_bytes, stored.crc32c)


def read_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Read a file to its end in chunks of `CHUNK_BYTES`."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def checksum_file(path: Path) -> Checksum:
    """Compute size and CRC32C of a whole file."""
    checksum = Checksum()
    with path.open("rb") as file:
        for chunk in read_chunks(file):
            checksum.update(chunk)
    return checksum
