"""The source protocol that downloads use; `source_factory` opens one for each kind of URI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


@dataclass(frozen=True)
class Remote:
    """A file as its source describes it at this moment."""

    size_bytes: int
    sha256: str | None = None
    """Digest of the content, where the source knows it."""
    validator: str | None = None
    """Strong ETag, generation or mtime: the same text means the same bytes. None: cannot tell."""
    ranges: bool = True
    """Whether any part can be asked for; else only the whole, in order."""


class Body(Protocol):
    """Bytes of one range on their way."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of the buffer; 0 at the end. Raises `WeightsError`."""
        ...


class Source(Protocol):
    """One file at one place. May be used by several threads at once."""

    def stat(self) -> Remote:
        """Ask for its size and digest. Raises `WeightsError`."""
        ...

    def open(self, remote: Remote, start: int, end: int) -> AbstractContextManager[Body]:
        """Ask for the bytes `start` to `end` (exclusive) of that very file.

        Raises `RemoteChanged` when the source holds another one by now, `SourceUnavailable` for
        what may pass (with the wait that it asked for), `WrongContent` for an error page.
        """
        ...
