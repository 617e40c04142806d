"""The protocol of a mirror, and the checksums by which files are compared."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class FileChecksums:
    """Size and checksums of a file: computed before the upload, compared after it."""

    size_bytes: int
    sha256: str
    crc32c: str
    """Base64 of the big-endian CRC32C, as Google Cloud Storage reports it."""


class Mirror(Protocol):
    """Stores files by key. Used by several threads at once."""

    def put(
        self, key: str, path: Path, checksums: FileChecksums, on_bytes: Callable[[int], None]
    ) -> bool:
        """Upload `path` to `key` unless the key already holds that content. False: it did.

        An object with other content is replaced. `on_bytes` receives the number of bytes sent so
        far and may raise to end the upload.
        """
        ...


def checksum_file(path: Path, check: Callable[[], None] = lambda: None) -> FileChecksums:
    """Read a whole file once. `check` is called after each chunk and may raise."""
    import google_crc32c

    strong, quick, size = sha256(), google_crc32c.Checksum(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            strong.update(chunk)
            quick.update(chunk)
            size += len(chunk)
            check()
    return FileChecksums(size, strong.hexdigest(), base64.b64encode(quick.digest()).decode("ascii"))
