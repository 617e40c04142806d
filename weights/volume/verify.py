"""All bytes of a selection read again and compared: for the day when a disk is in doubt."""

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

from weights.download.progress import Count, Meter
from weights.errors import PullStopped, WeightsError
from weights.volume.snapshot import leads

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import BinaryIO

    from weights.download.progress import Progress
    from weights.manifest.manifest import Selection, WeightFile
    from weights.volume.volume import Volume

CHUNK_BYTES = 1024 * 1024
THREADS = 4
TICK_SECONDS = 0.1


class Flaw(StrEnum):
    """What can be wrong with a file on a volume."""

    MISSING = "missing"  #: it is not there
    WRONG_SIZE = "wrong_size"  #: it was cut, or is another file
    WRONG_BYTES = "wrong_bytes"  #: the size is right, the content is not
    UNREADABLE = "unreadable"  #: the disk gave an error
    NOT_LINKED = "not_linked"  #: the content is right, but the model's folder does not lead to it


@dataclass(frozen=True)
class Fault:
    """One file that is not as it should be. `removed`: the next pull fetches it anew."""

    path: str
    flaw: Flaw
    removed: bool = False


def verify(
    selection: Selection,
    volume: Volume,
    progress: Callable[[Progress], None] | None = None,
    *,
    stop: threading.Event | None = None,
) -> list[Fault]:
    """Hash all files of the selection, remove the bad ones, and say what was wrong.

    Several files are read at once. `progress` is called about ten times a second, from this
    thread. On a read-only volume nothing is removed. Raises `PullStopped`.
    """
    stop = stop or threading.Event()
    looks = {file.id: _Look(file, selection, volume, stop) for file in selection.files}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="weights-verify") as pool:
        try:
            _follow({pool.submit(look.run) for look in looks.values()}, looks, progress)
        except BaseException:
            stop.set()
            raise
    if stop.is_set():
        raise PullStopped("told to stop while files were verified")
    return [fault for file in selection.files if (fault := looks[file.id].fault(file.path))]


def _follow(
    pending: set[Future[None]],
    looks: dict[str, _Look],
    progress: Callable[[Progress], None] | None,
) -> None:
    meter = Meter(time.monotonic())
    while pending:
        done, pending = wait(pending, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        if progress is not None:
            counts = [look.count() for look in looks.values()]
            progress(meter.read(counts, time.monotonic()))


class _Look:
    """One thread looks at one file."""

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
        self._flaw: Flaw | None = None
        self._removed = False

    def run(self) -> None:
        """Find the flaw of the file, if it has one, and remove it then."""
        try:
            blob = self._volume.blob(self._file).open("rb")
        except OSError:
            self._flaw = Flaw.MISSING
            return
        with blob:
            self._active = True
            self._flaw = self._look(blob)
            self._active = False
            if self._flaw:
                self._removed = self._remove(blob)

    def count(self) -> Count:
        """How far it is."""
        done, total = self._done, self._size or 0
        return Count(self._file.path, done, total, moved=done, active=self._active)

    def fault(self, path: str) -> Fault | None:
        """What is wrong with the file under this name of its."""
        if self._flaw:
            return Fault(path, self._flaw, self._removed)
        linked = leads(self._volume.view(self._selection) / path, self._volume.blob(self._file))
        return None if linked else Fault(path, Flaw.NOT_LINKED)

    def _look(self, blob: BinaryIO) -> Flaw | None:
        if os.fstat(blob.fileno()).st_size != self._size:
            return Flaw.WRONG_SIZE
        try:
            digest = self._digest(blob)
        except OSError:
            return Flaw.UNREADABLE
        right = self._stop.is_set() or digest == self._volume.digest_of(self._file)
        return None if right else Flaw.WRONG_BYTES

    def _digest(self, blob: BinaryIO) -> str:
        """Read from the disk itself, as far as the page cache lets go of the file."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(blob.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        hashed = sha256()
        while (chunk := blob.read(CHUNK_BYTES)) and not self._stop.is_set():
            hashed.update(chunk)
            self._done += len(chunk)
        return hashed.hexdigest()

    def _remove(self, blob: BinaryIO) -> bool:
        """Remove the very file that was read, unless another is at work on it."""
        path = self._volume.blob(self._file)
        with (
            suppress(OSError, WeightsError),
            self._volume.lock_at_once(self._file.id) as lock,
        ):
            if lock and os.path.samestat(os.fstat(blob.fileno()), path.stat()):
                self._volume.discard(self._selection, self._file)
                return True
        return False
