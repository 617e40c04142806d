"""Temporary folders that do not outlive a killed process for long: the next one removes them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runtime.files import is_abandoned, lock_folder

if TYPE_CHECKING:
    from types import TracebackType

MIN_AGE_SECONDS: Final = 60.0
"""A younger folder is never swept: its process may not have locked it yet."""


class TemporaryFolder:
    """A private folder, locked until it is removed.

    Its creation removes the folders with the same prefix whose processes were killed.
    """

    def __init__(self, prefix: str, root: Path | None = None) -> None:
        """Create it in `root`, else where the system keeps temporary files. Raises `OSError`."""
        root = root or Path(tempfile.gettempdir())
        sweep(root, prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
        self._lock = lock_folder(self.path)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def sweep(root: Path, prefix: str, *, now: float | None = None) -> list[str]:
    """Remove the abandoned folders in `root` whose names begin so. Returns their names."""
    abandoned = [
        folder
        for folder in root.glob(f"{prefix}*")
        if is_abandoned(folder, min_age_seconds=MIN_AGE_SECONDS, now=now)
    ]
    for folder in abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder.name for folder in abandoned]
