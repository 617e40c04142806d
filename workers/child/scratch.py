"""Where a running attempt keeps its files; nothing of them outlives it for long."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "kinomill-attempt-"
SETTLED_SECONDS = 60.0
"""A folder this old is locked by its process, unless that was killed."""


@contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """A private folder, removed at the end, or by a later attempt if this process is killed."""
    sweep(root)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=root, ignore_cleanup_errors=True) as folder:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(folder)
        finally:
            os.close(lock)


def sweep(root: Path, *, now: float | None = None) -> list[str]:
    """Remove the folders of killed processes. Returns their names."""
    oldest = (time.time() if now is None else now) - SETTLED_SECONDS
    left = [folder for folder in root.glob(f"{PREFIX}*") if _abandoned(folder, oldest)]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder.name for folder in left]


def _abandoned(folder: Path, oldest: float) -> bool:
    try:
        if folder.stat().st_mtime > oldest:
            return False
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
