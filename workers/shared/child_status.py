"""What a worker's child writes down of its models, for its parent to read: one small file.

The parent stays free of torch, and a child that loads gigabytes may answer nobody for a minute;
a file that is replaced as a whole tells the truth all the same, and outlives the child.
"""

from __future__ import annotations

import fcntl
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

if TYPE_CHECKING:
    from jobs.fleet.worker_registry import WeightsState

log = structlog.get_logger()

WRITE_SECONDS = 0.25
"""Figures that only grow are written no more often than this."""
PREFIX = "kinomill-worker-"
SETTLED_SECONDS = 60.0
"""A folder this old is locked by its worker, unless that was killed."""
_NAME = "child.json"


class ChildStatus(BaseModel):
    """The words on a status_file."""

    pid: int
    models: dict[str, WeightsStatus] = {}
    evictions: int = 0

    @property
    def alive(self) -> bool:
        """Whether the child that wrote it is still there."""
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
        self.status = ChildStatus(pid=os.getpid())

    def write(self) -> None:
        """Say that there is a child."""
        with self._lock:
            self._write()

    def set_model(self, model: str, weights: WeightsStatus) -> None:
        """Say how far a model is."""
        with self._lock:
            before = self.status.models.get(model)
            self.status.models[model] = weights
            moved = before is None or before.state != weights.state
            if moved or time.monotonic() - self._written > WRITE_SECONDS:
                self._write()

    def state_of(self, model: str) -> WeightsState | None:
        """What was last said of a model."""
        weights = self.status.models.get(model)
        return None if weights is None else weights.state

    def count_eviction(self) -> None:
        """A loaded model was dropped to make room for another."""
        with self._lock:
            self.status.evictions += 1
            self._write()

    def _write(self) -> None:
        if self._folder is None:
            return
        draft = self._folder / f"{_NAME}.{self.status.pid}"
        try:
            draft.write_text(self.status.model_dump_json())
            draft.rename(self._folder / _NAME)
        except OSError as error:
            log.warning("cannot tell the parent about models", error=str(error))
        self._written = time.monotonic()


def folder_of(parent: int) -> Path:
    """Where the child of this parent writes."""
    return Path(tempfile.gettempdir()) / f"{PREFIX}{parent}"


def for_parent(parent: int) -> ChildStatusFile:
    """The status_file of a child of that parent; a blank one if no parent made a folder."""
    folder = folder_of(parent)
    try:
        mine = folder.stat().st_uid == os.getuid()
    except OSError:
        mine = False
    return ChildStatusFile(folder if mine else None)


def create_folder(parent: int) -> Path:
    """Make that folder, for this account alone, and remove those that killed workers left.

    It is locked until this process ends, in whatever way: so that others see that it is in use.
    """
    folder = folder_of(parent)
    for left in folder.parent.glob(f"{PREFIX}*"):
        if left == folder or _abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    folder.mkdir(mode=0o700)
    fcntl.flock(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_SH)
    return folder


def _abandoned(folder: Path) -> bool:
    """Whether no process holds it, and none is about to."""
    try:
        if folder.stat().st_mtime > time.time() - SETTLED_SECONDS:
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


def read(folder: Path) -> ChildStatus | None:
    """What the child last wrote. None: nothing yet."""
    try:
        return ChildStatus.model_validate_json((folder / _NAME).read_bytes())
    except (OSError, ValidationError):
        return None
