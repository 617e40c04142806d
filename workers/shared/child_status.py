"""A small file in which a worker's child writes the state of its models, for its parent to read.

The parent stays free of torch, and a child that loads gigabytes may answer nothing for a minute.
A file that is replaced as a whole stays correct meanwhile, and outlives the child.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel, ValidationError

from jobs.fleet.worker_registry import WeightsStatus
from runtime.files import is_abandoned, lock_folder
from workers.shared.figures import FIGURES, ProcessFigures

if TYPE_CHECKING:
    from jobs.fleet.worker_registry import WeightsState

log = structlog.get_logger()

WRITE_SECONDS = 0.25
"""Progress within one state is written at most this often."""
PREFIX = "kinomill-worker-"
MIN_AGE_SECONDS = 60.0
"""A younger folder is never removed: its worker may not have locked it yet."""
_FILE_NAME = "child.json"


class ChildStatus(BaseModel):
    """The content of the file."""

    pid: int
    models: dict[str, WeightsStatus] = {}
    evictions: int = 0
    figures: ProcessFigures = ProcessFigures()

    @property
    def alive(self) -> bool:
        """Whether the child that wrote the file still runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


class ChildStatusFile:
    """The child's side. Without a folder, as in tests, nothing is written."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._written = 0.0
        self.status = ChildStatus(pid=os.getpid(), figures=FIGURES)

    def write(self) -> None:
        """Replace the file."""
        with self._lock:
            self._replace()

    def set_model(self, model: str, weights: WeightsStatus) -> None:
        """Set the state of a model. A new state is written at once, progress not each time."""
        with self._lock:
            before = self.status.models.get(model)
            self.status.models[model] = weights
            changed = before is None or before.state != weights.state
            if changed or time.monotonic() - self._written > WRITE_SECONDS:
                self._replace()

    def state_of(self, model: str) -> WeightsState | None:
        """Return the last state of a model. None: it has none yet."""
        weights = self.status.models.get(model)
        return None if weights is None else weights.state

    def count_eviction(self) -> None:
        """Count that loaded models were evicted to make room for another."""
        with self._lock:
            self.status.evictions += 1
            self._replace()

    def _replace(self) -> None:
        if self._folder is None:
            return
        draft = self._folder / f"{_FILE_NAME}.{self.status.pid}"
        try:
            draft.write_text(self.status.model_dump_json())
            draft.rename(self._folder / _FILE_NAME)
        except OSError as error:
            log.warning("could not write the status of the child", error=str(error))
        self._written = time.monotonic()


def folder_of(parent: int) -> Path:
    """Return the folder in which the children of the process `parent` write."""
    return Path(tempfile.gettempdir()) / f"{PREFIX}{parent}"


def for_parent(parent: int) -> ChildStatusFile:
    """Return the file of a child of `parent`. Without that parent's folder nothing is written."""
    folder = folder_of(parent)
    try:
        is_ours = folder.stat().st_uid == os.getuid()
    except OSError:
        is_ours = False
    return ChildStatusFile(folder if is_ours else None)


def create_folder(parent: int) -> Path:
    """Create the folder, private to this user, and remove those of killed workers.

    It is locked until this process ends, so that other workers do not remove it.
    """
    folder = folder_of(parent)
    for other in folder.parent.glob(f"{PREFIX}*"):
        if other == folder or is_abandoned(other, min_age_seconds=MIN_AGE_SECONDS):
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(mode=0o700)
    lock_folder(folder)
    return folder


def read(folder: Path) -> ChildStatus | None:
    """Return what the child wrote last. None: nothing yet."""
    try:
        return ChildStatus.model_validate_json((folder / _FILE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None
