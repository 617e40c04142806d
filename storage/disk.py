"""File operations of the local store: private files, fsync, verified atomic writes."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from runtime.files import fsync_folder, is_full
from storage.base import (
    ObjectCorrupted,
    ObjectNotFound,
    StorageDenied,
    StorageFull,
    StorageUnavailable,
    UploadCorrupted,
)
from storage.checksums import CHUNK_BYTES, Checksum, read_chunks
from storage.object_keys import RECORD_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from storage.base import StoredObject

_DENIED = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
)
"""What waiting does not mend: an operator has to. The last three: no folder where one should be."""
_ATTRIBUTE = "user.kinomill-record"


@contextmanager
def disk_errors(*, store: bool = True) -> Iterator[None]:
    """Map `OSError` to `StorageFull`, `StorageDenied` or `StorageUnavailable`.

    Without `store`, an error of a full disk is raised unchanged: it is that of the caller.
    """
    try:
        yield
    except OSError as error:
        if is_full(error) and not store:
            raise
        if is_full(error):
            raise StorageFull(str(error)) from error
        if error.errno in _DENIED and store:
            raise StorageDenied(str(error)) from error
        raise StorageUnavailable(str(error)) from error


def create_private(path: Path) -> BinaryIO:
    """Create a file with mode 0600. Raises `FileExistsError`."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def set_attribute(descriptor: int, value: bytes) -> bool:
    """Give an open file our extended attribute. False: it can have none, or has no room for it."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        os.setxattr(descriptor, _ATTRIBUTE, value)
    except OSError:
        return False
    return True


def attribute(path: Path) -> bytes | None:
    """Our extended attribute of a file. None: it has none."""
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(path, _ATTRIBUTE)
    except OSError:
        return None


def copy(
    source: BinaryIO, partial: Path, before_flush: Callable[[int, Checksum], None]
) -> Checksum:
    """Copy a file to disk with fsync; returns its checksum.

    `before_flush` gets the descriptor of the whole file. Raises `UploadCorrupted` when the file on
    disk has another size than the bytes written.
    """
    checksum = Checksum()
    with create_private(partial) as file:
        for chunk in read_chunks(source):
            checksum.update(chunk)
            file.write(chunk)
        file.flush()
        before_flush(file.fileno(), checksum)
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    if size != checksum.size_bytes:
        raise UploadCorrupted(f"wrote {checksum.size_bytes} bytes, but the file on disk has {size}")
    return checksum


def write_verified(chunks: Iterator[bytes], stored: StoredObject, path: Path) -> None:
    """Write an object to `path` atomically, after its size and CRC32C were verified.

    Raises `ObjectCorrupted` when the bytes differ from the stored metadata, and `OSError` when the
    disk of `path` is full: that is not the disk of the store.
    """
    checksum = Checksum()
    partial = path.with_name(f".{path.name[:100]}.partial")
    with disk_errors(store=False):
        try:
            with partial.open("wb") as file:
                for chunk in chunks:
                    checksum.update(chunk)
                    file.write(chunk)
            if not checksum.matches(stored):
                raise ObjectCorrupted(
                    f"{stored.key}: read {checksum.size_bytes} bytes ({checksum.crc32c}), "
                    f"expected {stored.size_bytes} ({stored.crc32c})"
                )
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def create_folders(folder: Path) -> None:
    """Create the missing folders with mode 0700 and fsync the parent of each."""
    if folder.is_dir():
        return
    if not folder.parent.exists():
        create_folders(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        fsync_folder(folder.parent)


def read_range(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Stream the bytes `start` to `end` (exclusive); the file is opened on the first read."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise ObjectNotFound(path.name) from error
    with file:
        file.seek(start)
        while start < end and (chunk := file.read(min(CHUNK_BYTES, end - start))):
            start += len(chunk)
            yield chunk


def walk_keys(folder: Path, prefix: str) -> Iterator[str]:
    """Yield the keys of all objects below a folder, each after `prefix`, in byte order."""
    try:
        entries = sorted((e.name + "/" * e.is_dir(), e) for e in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name, entry in entries:
        if name.endswith("/"):
            yield from walk_keys(folder / entry.name, prefix + name)
        elif not name.endswith(RECORD_SUFFIX):
            yield prefix + name
