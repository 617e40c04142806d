"""Disk helpers of a volume: errors, free space, atomic and durable writes."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from runtime.files import fsync_folder, is_full
from weights.errors import DiskFull, VolumeUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GIGABYTE = 1_000_000_000


@contextmanager
def disk_errors(folder: Path, *, needed_bytes: int | None = None) -> Iterator[None]:
    """Convert an `OSError` of the file system of `folder` to `DiskFull` or `VolumeUnusable`."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise DiskFull(no_space(folder, needed_bytes)) from error
        raise VolumeUnusable(f"{folder}: {error}") from error


def no_space(folder: Path, needed_bytes: int | None) -> str:
    """Return the error message of a full volume: needed and free space, and what to do."""
    needed = "more" if needed_bytes is None else f"{needed_bytes / GIGABYTE:.2f} GB"
    free = free_bytes(folder) / GIGABYTE
    return (
        f"{folder} has not enough space: needed {needed}, free {free:.2f} GB. "
        "Free some, e.g. with `kinomill models prune`."
    )


def free_bytes(folder: Path) -> int:
    """Free bytes on the file system where `folder` is or would be created."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def write_atomic(path: Path, text: str, *, scratch: Path) -> None:
    """Write a small file durably and atomically; `scratch` holds the temporary file."""
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
    fsync_folder(path.parent)
