"""The protocol of a download source; `source_factory` opens the source of a URI."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


@dataclass(frozen=True)
class RemoteFile:
    """A file as its source currently describes it."""

    size_bytes: int
    sha256: str | None = None
    """Digest of the content, if the source reports it."""
    validator: str | None = None
    """Strong ETag, generation or mtime: equal validators mean equal bytes. None: unknown."""
    ranges: bool = True
    """Whether ranges can be requested; otherwise only the whole file, in order."""
    commit: str | None = field(default=None, compare=False)
    """The Hub's commit that the revision points to."""
    blob_id: str | None = field(default=None, compare=False)
    """The git blob id, which the Hub reports of small files instead of a sha256."""


class Body(Protocol):
    """The bytes of one range, as they arrive."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill part of the buffer and return the count; 0 at the end. Raises `WeightsError`."""
        ...


class Source(Protocol):
    """One file at one location. May be used by several threads at once."""

    def stat(self) -> RemoteFile:
        """Request size and digest. Raises `WeightsError`."""
        ...

    def open(self, remote: RemoteFile, start: int, end: int) -> AbstractContextManager[Body]:
        """Request the bytes `start` to `end` (exclusive) of the file that `stat` described.

        Raises `RemoteChanged` if the source has another file now, `SourceUnavailable` for errors
        that may pass (with the delay the server asked for), `WrongContent` for an error page.
        """
        ...
