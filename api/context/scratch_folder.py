"""The folder for temporary files of one API process; those of killed processes are deleted."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Final

import structlog

from runtime import temporary_folder
from runtime.files import lock_folder, scratch_errors

log = structlog.get_logger()

_PREFIX: Final = "kinomill-api-"


class ScratchFolder:
    """A folder below `root` that exists from the first use until `close`, and is locked."""

    def __init__(self, root: Path) -> None:
        """Delete what killed processes left. Errors are logged: the API can do without."""
        self._path: Path | None = None
        self._lock: int | None = None
        self._root = root
        self._creating = threading.Lock()
        for name in temporary_folder.sweep(root, _PREFIX):
            log.info("temporary files of a killed API deleted", folder=str(root / name))

    @property
    def path(self) -> Path:
        """The folder; a new one if somebody has deleted it.

        Raises `ScratchUnwritable`, or `OSError` for a full disk.
        """
        with self._creating, scratch_errors():
            if self._path is None or not self._path.is_dir():
                self.close()
                folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._root))
                try:
                    self._lock = lock_folder(folder)
                except OSError:
                    folder.rmdir()
                    raise
                self._path = folder
            return self._path

    def close(self) -> None:
        """Delete the folder."""
        if self._path is not None and self._lock is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            os.close(self._lock)
            self._path = self._lock = None
