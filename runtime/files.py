"""Files and folders: flush to disk, hash, lock a folder and detect an abandoned one."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_full(error: OSError) -> bool:
    """Whether a write failed because the disk is full, or a quota or limit of it is reached."""
    return error.errno in _NO_SPACE


class ScratchUnwritable(OSError):
    """The folder for temporary files cannot be written: its rights, its disk, or it is missing."""


@contextmanager
def scratch_errors() -> Iterator[None]:
    """Map `OSError` of temporary files to `ScratchUnwritable`; that of a full disk stays as it is.

    Names of folders are left out of its message.
    """
    try:
        yield
    except OSError as error:
        if is_full(error) or isinstance(error, ScratchUnwritable):
            raise
        raise ScratchUnwritable(error.strerror or type(error).__name__) from error


def try_write(folder: Path) -> None:
    """Write a temporary file there and delete it. Raises `ScratchUnwritable`, or `OSError`: full.

    What `os.access` says of a folder is not enough: root may write everywhere, by its answer.
    """
    with scratch_errors(), tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(bytes(4096))


def fsync_file(path: Path) -> None:
    """Flush the bytes of a closed file to disk. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a created or renamed file survives a power loss.

    Does nothing where the file system cannot flush a folder. Raises `OSError`.
    """
    try:
        fsync_file(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot flush a folder
            raise


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, in hex. Reads the whole file. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lock_folder(folder: Path) -> int:
    """Mark a folder as in use for `is_abandoned`, and return the descriptor that holds the lock.

    The lock ends when the descriptor is closed or the process dies, in whatever way.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_abandoned(folder: Path, *, min_age_seconds: float, now: float | None = None) -> bool:
    """Whether no process holds `lock_folder` on a folder that is at least `min_age_seconds` old.

    The age leaves its creator time to lock it. A folder that cannot be opened is not abandoned.
    """
    try:
        if folder.stat().st_mtime > (time.time() if now is None else now) - min_age_seconds:
            return False
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or the file system has no locks
        return False
    finally:
        os.close(descriptor)
    return True
