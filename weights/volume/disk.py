"""Files of a volume written so that they are whole and on the disk when we say so."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from weights.errors import DiskFull, VolumeUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
GIGABYTE = 1_000_000_000


@contextmanager
def disk_errors(folder: Path, *, needed_bytes: int | None = None) -> Iterator[None]:
    """Turn the errors of the file system that holds `folder` into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFull(no_room(folder, needed_bytes)) from error
        raise VolumeUnusable(f"{folder}: {error}") from error


def no_room(folder: Path, needed_bytes: int | None) -> str:
    """Say how much was wanted of a full volume, and how much it has."""
    needed = "more" if needed_bytes is None else f"{needed_bytes / GIGABYTE:.2f} GB"
    free = free_bytes(folder) / GIGABYTE
    return (
        f"{folder} has no room: needed {needed}, free {free:.2f} GB. "
        "Free some, e.g. with `kinomill models prune`."
    )


def free_bytes(folder: Path) -> int:
    """Room that is left for us where `folder` lies, or will lie."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def write_whole(path: Path, text: str, *, scratch: Path) -> None:
    """Write a small file that appears whole or not at all, by way of the folder `scratch`."""
    partial = scratch / f"{uuid4().hex}.tmp"
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """See a file's bytes, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(handle)
