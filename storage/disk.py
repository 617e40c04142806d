"""Files written so that they are whole, private and on the disk when we say so."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from storage.base import (
    ObjectCorrupted,
    ObjectNotFound,
    StorageFull,
    StorageUnavailable,
    UploadCorrupted,
)
from storage.checksums import CHUNK_BYTES, Tally, chunks_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from storage.base import StoredObject

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn the errors of the file system into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise StorageFull(str(error)) from error
        raise StorageUnavailable(str(error)) from error


def create(path: Path) -> BinaryIO:
    """Open a new file that only we can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def copy(source: BinaryIO, partial: Path) -> Tally:
    """Copy a file to the disk, counted, and see that the disk holds as much."""
    tally = Tally()
    with create(partial) as file:
        for chunk in chunks_of(source):
            tally.add(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    if size != tally.size_bytes:
        raise UploadCorrupted(f"wrote {tally.size_bytes} bytes, the disk holds {size}")
    return tally


def write_verified(chunks: Iterator[bytes], stored: StoredObject, path: Path) -> None:
    """Write an object to `path`, which appears only once it is whole and right.

    Raises `ObjectCorrupted` when the bytes are not those that the store recorded.
    """
    tally = Tally()
    partial = path.with_name(f".{path.name[:100]}.partial")
    with disk_errors():
        try:
            with partial.open("wb") as file:
                for chunk in chunks:
                    tally.add(chunk)
                    file.write(chunk)
            if not tally.matches(stored):
                raise ObjectCorrupted(f"{stored.key}: {tally.size_bytes} bytes, {tally.crc32c}")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def make_folders(folder: Path) -> None:
    """Make the missing folders, private to us, and see each one to the disk."""
    if folder.is_dir():
        return
    if not folder.parent.exists():
        make_folders(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        sync(folder.parent)


def sync(folder: Path) -> None:
    """See a folder's entries to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def range_of(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Stream a part of a file; it is opened when the first piece is asked for."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise ObjectNotFound(path.name) from error
    with file:
        file.seek(start)
        while start < end and (chunk := file.read(min(CHUNK_BYTES, end - start))):
            start += len(chunk)
            yield chunk


def walk(folder: Path, start: str) -> Iterator[str]:
    """Yield keys below a folder, ordered as their bytes are."""
    try:
        entries = sorted((e.name + "/" * e.is_dir(), e) for e in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name, entry in entries:
        if name.endswith("/"):
            yield from walk(folder / entry.name, start + name)
        else:
            yield start + name
