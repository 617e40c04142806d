"""The object storage interface, the same for a local directory and a bucket, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from storage.direct import DirectUploads, UploadState


@dataclass(frozen=True)
class ListedObject:
    """What a list of objects says of each: S3 lists no more."""

    key: str
    size_bytes: int
    created_at: datetime


@dataclass(frozen=True)
class StoredObject(ListedObject):
    """Metadata of a stored object, as the store reports it."""

    crc32c: str
    """Base64 of the big-endian CRC32C, as Google Cloud Storage writes it."""
    content_type: str
    sha256: str | None = None
    """In hex, where a directory holds the object and its writer knew it."""


@dataclass(frozen=True)
class NewObject:
    """A local file that is to become an object."""

    key: str
    path: Path
    content_type: str
    sha256: str | None = None
    """Of its bytes, in hex, if the caller knows it."""


class Upload(Protocol):
    """An object that is written piece by piece; nobody sees it before `commit`."""

    path: Path
    """The bytes so far; may be read meanwhile."""

    @property
    def size_bytes(self) -> int:
        """How many bytes were written."""
        ...

    @property
    def sha256(self) -> str:
        """Digest of what was written, in hex."""
        ...

    def write(self, chunk: bytes) -> None:
        """Append bytes. Raises `StorageFull`, or `OSError` if the disk of the caller is full."""
        ...

    def commit(self, content_type: str) -> StoredObject:
        """Make it an object. Raises as `Storage.put` does."""
        ...

    def close(self) -> None:
        """Delete the file; an object that was committed stays."""
        ...


class Storage(Protocol):
    """Objects by key. Keys are relative POSIX paths such as `results/job_…/1-ab12cd34.mp4`."""

    def put(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        """Upload a local file and verify it, if the key is free.

        Raises `ObjectExists` when the key is taken, `UploadCorrupted` when the stored size or
        checksum differs, `StorageUnavailable` when the store did not answer after retries.
        """
        ...

    def put_all(
        self, objects: Sequence[NewObject], report: Callable[[int], None]
    ) -> list[StoredObject]:
        """Upload several local files, all or none, each as `put` does.

        `report` gets the number of bytes that are sent so far; what it raises ends the upload.
        """
        ...

    def begin(self, key: str, *, scratch: Callable[[], Path]) -> Upload:
        """Begin to write an object piece by piece; `put` with the bytes still to come.

        A directory holds the bytes itself until the commit, a bucket takes them from a file in the
        folder that `scratch` returns.
        """
        ...

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream the bytes `start` to `end` (exclusive). Raises `ObjectNotFound`."""
        ...

    def download(self, key: str, path: Path) -> StoredObject:
        """Write the object to a local file. Raises `ObjectNotFound`, `ObjectCorrupted`."""
        ...

    def stat(self, key: str) -> StoredObject:
        """Return size, checksum and content type. Raises `ObjectNotFound`."""
        ...

    def delete(self, key: str) -> None:
        """Delete the object; does nothing when it is missing."""
        ...

    def list_objects(self, prefix: str) -> Iterator[ListedObject]:
        """List all objects whose key begins with the prefix, in byte order of the keys."""
        ...

    def signed_url(self, key: str, *, ttl: timedelta, now: datetime, filename: str) -> str:
        """Return a URL that serves the object, without other authentication, until `now + ttl`."""
        ...

    @property
    def uploads(self) -> DirectUploads:
        """Uploads that clients send to the store themselves."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class StorageError(Exception):
    """An object storage operation failed."""

    retryable = False


class ObjectNotFound(StorageError):
    """No object has this key."""


class ObjectExists(StorageError):
    """The key is taken: objects are immutable, so no upload replaces one."""


class UploadCorrupted(StorageError):
    """The stored object differs from the file sent (size or CRC32C); it was deleted."""

    retryable = True


class StorageUnavailable(StorageError):
    """The store did not respond, or responded 5xx, until the retries were exhausted."""

    retryable = True


class UploadIncomplete(StorageError):
    """Not all bytes of an upload have arrived."""


class StorageFull(StorageError):
    """No disk space is left for objects."""

    retryable = True


class KeyInvalid(StorageError):
    """Not a relative POSIX path of at most 512 bytes without empty parts, `..` or controls."""


class ObjectCorrupted(StorageError):
    """The bytes read differ from the stored size or CRC32C; nothing was written."""

    retryable = True


class StorageDenied(StorageError):
    """The store rejected our credentials, or a disk refuses: only an operator can mend that."""


class LinkInvalid(StorageError):
    """The link's signature is wrong: it was altered or signed with another secret."""


class LinkExpired(StorageError):
    """The link is valid but past its expiry: request a new one."""


def is_own(state: UploadState, store: str) -> bool:
    """Whether this kind of store has begun an upload: the operator may have changed it since."""
    return bool(state.get("store") == store)


def require_own(state: UploadState, store: str) -> None:
    """Raise `UploadIncomplete` if another kind of store has begun this upload."""
    if not is_own(state, store):
        raise UploadIncomplete("the storage of the server was changed: begin a new upload")
