"""The folder in which a running attempt keeps its files, removed when the attempt ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.files import is_abandoned, lock_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "kinomill-attempt-"
MIN_AGE_SECONDS = 60.0
"""A younger folder is never swept: its process may not have locked it yet."""


@contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """Yield a private folder. If this process is killed, a later attempt removes it."""
    sweep(root)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=root, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        lock = lock_folder(folder)
        try:
            yield folder
        finally:
            os.close(lock)


def sweep(root: Path, *, now: float | None = None) -> list[str]:
    """Remove the folders of killed processes. Returns their names."""
    abandoned = [
        folder
        for folder in root.glob(f"{PREFIX}*")
        if is_abandoned(folder, min_age_seconds=MIN_AGE_SECONDS, now=now)
    ]
    for folder in abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder.name for folder in abandoned]
