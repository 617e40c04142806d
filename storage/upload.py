"""An object that is written piece by piece, so that its bytes are on one disk and there once."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from runtime.files import scratch_errors
from storage import disk
from storage.base import StorageError
from storage.checksums import Checksum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from storage.base import NewObject, Storage, StoredObject

FLUSH_BYTES: Final = 16_000_000
"""Written bytes go to disk after this many, so that the last flush does not take long."""


def put_one_by_one(
    storage: Storage, objects: Iterable[NewObject], report: Callable[[int], None]
) -> list[StoredObject]:
    """What `Storage.put_all` does in a store that has no better way."""
    stored: list[StoredObject] = []
    try:
        for new in objects:
            stored.append(storage.put(new.key, new.path, content_type=new.content_type))
            report(sum(one.size_bytes for one in stored))
    except BaseException:
        with suppress(StorageError):  # the upload's own error is reported; orphans are swept
            for one in stored:
                storage.delete(one.key)
        raise
    return stored


class FileUpload:
    """A file that becomes an object at `commit`; nobody sees it before.

    `path` may be read meanwhile. Raises `OSError` when the disk of `path` is full or refuses
    (`ScratchUnwritable`), or a `StorageError` where that is the disk of the store.
    """

    def __init__(
        self,
        folder: Path,
        commit: Callable[[FileUpload, str], StoredObject],
        *,
        errors: Callable[[], AbstractContextManager[None]] = scratch_errors,
    ) -> None:
        """`commit` makes `path` an object of this content type; `errors` maps errors of writes."""
        self.path = folder / uuid4().hex
        self.checksum = Checksum()
        self._sha256 = hashlib.sha256()
        self._commit = commit
        self._errors = errors
        self._unflushed = 0
        with errors():
            self._file = disk.create_private(self.path)

    @property
    def size_bytes(self) -> int:
        """How many bytes were written."""
        return self.checksum.size_bytes

    @property
    def sha256(self) -> str:
        """Digest of what was written, in hex."""
        return self._sha256.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        with self._errors():
            self._file.write(chunk)
            self._file.flush()
            self._unflushed += len(chunk)
            if self._unflushed > FLUSH_BYTES:
                os.fdatasync(self._file.fileno())
                self._unflushed = 0
        self.checksum.update(chunk)
        self._sha256.update(chunk)

    def commit(self, content_type: str) -> StoredObject:
        """Make it an object. Raises as `Storage.put` does."""
        with self._errors():
            os.fsync(self._file.fileno())
        return self._commit(self, content_type)

    def close(self) -> None:
        """Delete the file; an object that was committed stays."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):  # of a disk that is read-only by now: the file is swept later
            self.path.unlink(missing_ok=True)
