"""Verifies stored files: reads every byte again and compares the digests."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from weights.errors import PullStopped, WeightsError
from weights.progress import FileProgress, ProgressMeter
from weights.volume.snapshot import links_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import BinaryIO

    from weights.manifest.manifest import Selection, WeightFile
    from weights.progress import TransferProgress
    from weights.volume.volume import Volume

CHUNK_BYTES = 1024 * 1024
THREADS = 4
TICK_SECONDS = 0.1


class BadFileReason(StrEnum):
    """What is wrong with a file on a volume."""

    MISSING = "missing"  #: the file does not exist
    WRONG_SIZE = "wrong_size"  #: truncated, or another file
    WRONG_BYTES = "wrong_bytes"  #: the size is right, the content is not
    UNREADABLE = "unreadable"  #: the disk reported an error
    NOT_LINKED = "not_linked"  #: the content is right, but the model's folder has no link to it


@dataclass(frozen=True)
class BadFile:
    """A file that failed verification. `removed`: the next pull downloads it again."""

    path: str
    reason: BadFileReason
    removed: bool = False


def verify(
    selection: Selection,
    volume: Volume,
    on_progress: Callable[[TransferProgress], None] | None = None,
    *,
    stop: threading.Event | None = None,
) -> list[BadFile]:
    """Hash all files of the selection, remove the bad ones, and return them.

    Several files are read at once. `on_progress` is called about ten times a second, from this
    thread. On a read-only volume nothing is removed. Raises `PullStopped`.
    """
    stop = stop or threading.Event()
    checks = {file.id: _FileCheck(file, selection, volume, stop) for file in selection.files}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="weights-verify") as pool:
        try:
            _wait({pool.submit(check.run) for check in checks.values()}, checks, on_progress)
        except BaseException:
            stop.set()
            raise
    if stop.is_set():
        raise PullStopped("stopped while files were verified")
    return [bad for file in selection.files if (bad := checks[file.id].bad_file(file.path))]


def _wait(
    pending: set[Future[None]],
    checks: dict[str, _FileCheck],
    on_progress: Callable[[TransferProgress], None] | None,
) -> None:
    meter = ProgressMeter(time.monotonic())
    while pending:
        done, pending = wait(pending, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        if on_progress is not None:
            files = [check.progress() for check in checks.values()]
            on_progress(meter.read(files, time.monotonic()))


class _FileCheck:
    """The check of one file, run by one thread."""

    def __init__(
        self, file: WeightFile, selection: Selection, volume: Volume, stop: threading.Event
    ) -> None:
        self._file = file
        self._selection = selection
        self._volume = volume
        self._stop = stop
        self._size = volume.size_of(file)
        self._done = 0
        self._active = False
        self._reason: BadFileReason | None = None
        self._removed = False

    def run(self) -> None:
        """Check the file and remove it if it is bad."""
        try:
            blob = self._volume.blob(self._file).open("rb")
        except OSError:
            self._reason = BadFileReason.MISSING
            return
        with blob:
            self._active = True
            self._reason = self._check(blob)
            self._active = False
            if self._reason:
                self._removed = self._remove(blob)

    def progress(self) -> FileProgress:
        """Return the bytes read so far."""
        done, total = self._done, self._size or 0
        return FileProgress(self._file.path, done, total, transferred=done, active=self._active)

    def bad_file(self, path: str) -> BadFile | None:
        """Return what is wrong with the file at this path of the snapshot, if anything."""
        if self._reason:
            return BadFile(path, self._reason, self._removed)
        linked = links_to(
            self._volume.snapshot(self._selection) / path, self._volume.blob(self._file)
        )
        return None if linked else BadFile(path, BadFileReason.NOT_LINKED)

    def _check(self, blob: BinaryIO) -> BadFileReason | None:
        if os.fstat(blob.fileno()).st_size != self._size:
            return BadFileReason.WRONG_SIZE
        try:
            digest = self._digest(blob)
        except OSError:
            return BadFileReason.UNREADABLE
        matches = self._stop.is_set() or digest == self._volume.digest_of(self._file)
        return None if matches else BadFileReason.WRONG_BYTES

    def _digest(self, blob: BinaryIO) -> str:
        """Hash the file, read from the disk itself as far as the page cache drops its pages."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(blob.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        hashed = sha256()
        while (chunk := blob.read(CHUNK_BYTES)) and not self._stop.is_set():
            hashed.update(chunk)
            self._done += len(chunk)
        return hashed.hexdigest()

    def _remove(self, blob: BinaryIO) -> bool:
        """Remove exactly the file that was read, unless another process holds its lock."""
        path = self._volume.blob(self._file)
        with (
            suppress(OSError, WeightsError),
            self._volume.try_lock(self._file.id) as lock,
        ):
            if lock and os.path.samestat(os.fstat(blob.fileno()), path.stat()):
                self._volume.discard(self._selection, self._file)
                return True
        return False
