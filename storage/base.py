"""What an object store must do: five verbs, the same on a local disk and in a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta
    from pathlib import Path


@dataclass(frozen=True)
class StoredObject:
    """An object that lies in the store, as the store itself sees it."""

    key: str
    size_bytes: int
    crc32c: str
    """Base64 of the big-endian CRC32C, as Google Cloud Storage writes it."""
    content_type: str
    created_at: datetime


class Storage(Protocol):
    """Objects by key. Keys are relative POSIX paths such as `results/job_…/1-ab12cd34.mp4`."""

    def put(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        """Upload a local file, whole and verified, if the key is free.

        Raises `ObjectExists` when the key is taken, `UploadCorrupted` when what arrived is not
        what was sent, `StorageUnavailable` when the store did not answer after retries.
        """
        ...

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream the bytes `start` to `end` (exclusive). Raises `ObjectNotFound`."""
        ...

    def download(self, key: str, path: Path) -> StoredObject:
        """Write the object to a local file. Raises `ObjectNotFound`."""
        ...

    def stat(self, key: str) -> StoredObject:
        """Size, checksum and type. Raises `ObjectNotFound`."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""
        ...

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose key begins with the prefix, in key order."""
        ...

    def signed_url(self, key: str, *, ttl: timedelta, now: datetime, filename: str) -> str:
        """A link that serves the object to anybody who has it, until `now + ttl`."""
        ...


class StorageError(Exception):
    """The object store could not do what was asked."""

    retryable = False


class ObjectNotFound(StorageError):
    """No object has this key."""


class ObjectExists(StorageError):
    """The key is taken: objects are written once and never changed."""


class UploadCorrupted(StorageError):
    """What the store holds is not what was sent (size or CRC32C differ); it was removed."""

    retryable = True


class StorageUnavailable(StorageError):
    """The store did not answer, or answered 5xx, until the retries were used up."""

    retryable = True


class StorageFull(StorageError):
    """No space is left where objects lie."""

    retryable = True


class KeyInvalid(StorageError):
    """A key is a relative POSIX path of at most 512 bytes: no empty part, no `..`, no control."""


class ObjectCorrupted(StorageError):
    """What was read is not what the store recorded (size or CRC32C differ); nothing was kept."""

    retryable = True


class StorageDenied(StorageError):
    """The store refused our credentials, or there are none: set them up, then try again."""


class LinkInvalid(StorageError):
    """The link was not made by this store, or was altered."""


class LinkExpired(StorageError):
    """The link was good and its time is over: ask for a new one."""
