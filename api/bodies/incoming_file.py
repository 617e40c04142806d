"""A file of a request on its way to object storage: written once, hashed and recognized meanwhile.

A part of a form, or a data URI in a JSON body. It becomes an object only after the whole
submission was accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.spec import MediaKind
from storage.sniffing.media import HEAD_BYTES, MediaRejected, sniff

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.media.formats import MediaFormat
    from runtime.media.formats import MediaKind as MediaKindName
    from storage.base import Upload

BUFFER_BYTES: Final = 512 * 1024
"""Memory of a file that arrives: it is written in pieces of this size, in a thread."""


class IncomingFile:
    """Takes the bytes of one file. What is wrong with it is raised when the file is used."""

    def __init__(
        self,
        file_id: str,
        begin: Callable[[], Upload],
        limit_bytes: Callable[[MediaKindName], int],
        *,
        filename: str = "",
    ) -> None:
        """`begin` creates the file, `limit_bytes` is the limit of a kind of media."""
        self.id = file_id
        self.filename = filename
        self.rejected: MediaRejected | None = None
        """Why its bytes were not kept: not a known format, or a malformed data URI."""
        self.over_limit = False
        self.format: MediaFormat | None = None
        self.upload: Upload | None = None
        self._begin = begin
        self._limit_bytes = limit_bytes
        self._limit = 0
        self._buffer = bytearray()

    @property
    def size_bytes(self) -> int:
        """How many bytes were written or wait in the buffer."""
        return len(self._buffer) + (self.upload.size_bytes if self.upload else 0)

    @property
    def usable(self) -> bool:
        """Whether further bytes are of any use."""
        return self.rejected is None and not self.over_limit

    @property
    def has_buffered(self) -> bool:
        """Whether `flush` would write something."""
        return bool(self._buffer) and self.usable

    def append(self, data: bytes) -> bool:
        """Buffer bytes; returns whether `flush` is due."""
        if self.usable:
            self._buffer += data
        return len(self._buffer) >= BUFFER_BYTES

    def flush(self) -> None:
        """Write what was buffered. In a thread: raises `OSError` and `StorageError`."""
        data, self._buffer = bytes(self._buffer), bytearray()
        if not data or not self.usable:
            return
        upload = self.upload or self._open(data[:HEAD_BYTES])
        if upload is None:
            return
        self.over_limit = upload.size_bytes + len(data) > self._limit
        if not self.over_limit:
            upload.write(data)

    def close(self) -> None:
        """Delete the local bytes; an object that was committed stays."""
        if self.upload is not None:
            self.upload.close()

    def _open(self, head: bytes) -> Upload | None:
        try:
            self.format = sniff(head)
        except MediaRejected as error:
            self.rejected = error
            return None
        kinds = [kind for kind in MediaKind if self.format.usable_as(kind.value)]
        self._limit = max(self._limit_bytes(kind.value) for kind in kinds)
        self.upload = self._begin()
        return self.upload
