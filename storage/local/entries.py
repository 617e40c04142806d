"""Entries of folders that several processes change: created, linked, locked, looked up."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from stat import S_ISDIR
from typing import TYPE_CHECKING, Final, TypeVar

from storage import disk
from storage.base import KeyInvalid, ObjectExists, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

_NOT_SUPPORTED: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK})
"""Errors of file systems without hard links, and of those without locks."""
FOLDER_TRIES: Final = 100
"""A deleter removes a folder that is empty, which a writer of another key may just have created."""


def in_folder(folder: Path, act: Callable[[], T]) -> T:
    """Act in a folder, which is created if need be; a deleter of another key may remove it."""
    for _ in range(FOLDER_TRIES):
        with suppress(FileNotFoundError):
            return act()
        with suppress(FileNotFoundError):
            disk.create_folders(folder)
    raise FileNotFoundError(folder)


def link(partial: Path, final: Path) -> None:
    """Give the partial file its name; where there are no hard links (FAT, some FUSE), move it.

    The caller holds the lock of the key and has seen that the name is free.
    """
    try:
        os.link(partial, final)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
        partial.rename(final)


def lock(descriptor: int, root: Path, *, wait: bool = True) -> None:
    """Lock an open file. Raises `StorageError` where there are no locks.

    Without `wait`, raises `BlockingIOError` while another holds the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
        raise StorageError(
            f"the file system of {root} has no file locks (flock), which storage needs: mount it "
            "with locks, or set KINOMILL_STORAGE to another folder or to a bucket"
        ) from error


def require_folder(folder: Path) -> None:
    """Raise `NotADirectoryError` if something else has the place of a folder of the store."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def check_free(final: Path, key: str) -> None:
    """Raise `ObjectExists` if an object has this path, `KeyInvalid` if none can have it."""
    try:
        existing = final.stat()
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise KeyInvalid(f"{key}: a part of the key is an existing object") from error
    if S_ISDIR(existing.st_mode):
        raise KeyInvalid(f"{key}: the key is a prefix of existing objects")
    raise ObjectExists(key)
