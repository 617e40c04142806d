"""Uploads that a client sends to the store itself, in pieces, and goes on with after a break.

They are kept apart from the objects until their bytes were read and checked, so that nobody can
change an object by a link that is still valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

UPLOADS = "uploads/"
"""Keys of unfinished uploads in a bucket begin with this, then comes the id of the file."""
PART_BYTES = 8 * 1024 * 1024
"""Size of a piece: a multiple of 256 KiB, as Google wants, and over the 5 MiB of S3."""

UploadState = dict[str, Any]
"""What a store has to remember of an upload, as JSON."""


@dataclass(frozen=True)
class Instructions:
    """How a client sends the bytes."""

    protocol: Literal["content-range", "parts"]
    """`content-range`: PUT the pieces in order to one URL, with `Content-Range: bytes 0-9/100`; 308
    and `Range` say what has arrived, as does an empty PUT with `bytes */100`. `parts`: PUT each
    part to its URL, in any order."""
    urls: tuple[str, ...]
    part_bytes: int
    """Of each part or piece but the last."""
    received_parts: tuple[int, ...] = ()
    """Numbers of the parts that have arrived, from 1."""


class DirectUploads(Protocol):
    """Unfinished uploads of a store, by the id of the file."""

    def start(self, file_id: str, size_bytes: int) -> UploadState:
        """Begin an upload. Raises `StorageError`."""
        ...

    def instructions(
        self, file_id: str, state: UploadState, *, ttl: timedelta, now: datetime
    ) -> Instructions:
        """How to send what has not arrived, by URLs that are valid until `now + ttl`.

        Raises `UploadIncomplete` for an upload that another kind of store has begun.
        """
        ...

    def read(self, file_id: str, state: UploadState) -> Iterator[bytes]:
        """Stream the bytes. Raises `UploadIncomplete`."""
        ...

    def drop(self, file_id: str, state: UploadState) -> None:
        """Delete all that has arrived; does nothing when it is missing, or of another store."""
        ...
