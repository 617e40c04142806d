"""Downloads the missing files of a selection onto a volume, several at once."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from weights.download import partial
from weights.download.download_pool import DownloadPool
from weights.download.file_download import FileDownload
from weights.download.limits import PullLimits
from weights.errors import DiskFull, PullStopped
from weights.progress import FileProgress, ProgressMeter, TransferProgress
from weights.volume import disk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from weights.manifest.manifest import Selection, WeightFile
    from weights.sources.base import Source
    from weights.volume.volume import Volume

DEFAULT_LIMITS = PullLimits()
FILES_AT_ONCE = 8
"""Files that are imported, requested, downloaded, hashed or waited for at the same time."""
POLL_SECONDS = 0.1
STOP_SECONDS = 0.8
"""How long a stopped pull waits for its threads; those waiting for a source are left behind."""


class Sources(Protocol):
    """Finds the sources of a file; `weights.sources.source_factory` implements it."""

    def for_file(self, file: WeightFile) -> Sequence[Source]:
        """Return all sources that may have the file, in the order in which they are tried."""
        ...


@dataclass(frozen=True)
class PullResult:
    """What a pull did."""

    folder: Path
    """The files under their own names."""
    fetched_bytes: int
    """Received from sources by this process."""
    seconds: float


def ignore(_: TransferProgress) -> None:
    """Ignore the progress."""


def pull(  # noqa: PLR0913 - the entry point of the package
    selection: Selection,
    volume: Volume,
    sources: Sources,
    *,
    limits: PullLimits = DEFAULT_LIMITS,
    on_progress: Callable[[TransferProgress], None] = ignore,
    stop: threading.Event | None = None,
    adopt_from: Sequence[Path] = (),
) -> PullResult:
    """Download what the volume lacks of a selection; sends no request if nothing is missing.

    `on_progress` is called up to ten times a second, always by the calling thread; an exception it
    raises ends the pull. After `stop` is set the pull raises `PullStopped` within a second. However
    it ends, downloaded bytes are kept, and the next pull resumes. Raises `WeightsError`.
    """
    began = time.monotonic()
    if volume.complete(selection):
        return PullResult(volume.snapshot(selection), 0, time.monotonic() - began)
    volume.open()
    run = _PullRun(selection, volume, sources, limits, tuple(adopt_from))
    run.run(on_progress, stop or threading.Event())
    folder = volume.publish(selection)
    fetched = sum(download.received for download in run.downloads)
    return PullResult(folder, fetched, time.monotonic() - began)


class _PullRun:
    """One pull. Its threads end soon after `halt`, even if a source hangs."""

    def __init__(
        self,
        selection: Selection,
        volume: Volume,
        sources: Sources,
        limits: PullLimits,
        folders: tuple[Path, ...],
    ) -> None:
        self.downloads = [
            FileDownload(file, volume, sources.for_file(file)) for file in volume.missing(selection)
        ]
        self._selection = selection
        self._volume = volume
        self._folders = folders
        self._halt = threading.Event()
        self._pool = DownloadPool(limits, self._halt)
        self._by_id = {download.file.id: download for download in self.downloads}

    def run(self, on_progress: Callable[[TransferProgress], None], stop: threading.Event) -> None:
        """Do the work in other threads, and report the progress from this one."""
        meter = ProgressMeter(time.monotonic())
        work = _Task(self._download_all)
        try:
            while not work.finished.wait(POLL_SECONDS) and not stop.is_set():
                on_progress(meter.read(self._progress(), time.monotonic()))
        finally:
            self._halt.set()
            work.finished.wait(STOP_SECONDS)
        if work.error:
            raise work.error
        if not work.finished.is_set():
            raise PullStopped("stopped; the next pull resumes from here")
        on_progress(meter.read(self._progress(), time.monotonic()))

    def _download_all(self) -> None:
        self._for_each(lambda download: download.adopt(self._folders, self._halt))
        self._require_space()
        self._pool.start()
        self._for_each(lambda download: download.run(self._pool))

    def _require_space(self) -> None:
        """Raise `DiskFull` unless there is space for all files, and for other current pulls."""
        free = self._volume.free_bytes()
        needed = sum(download.needed_bytes() for download in self.downloads)
        if needed and needed + self._needed_by_others() > free:
            raise DiskFull(disk.no_space(self._volume.root, needed))

    def _needed_by_others(self) -> int:
        """Return the space that recently written partial files of other pulls still need."""
        ours = {self._volume.partial(download.file) for download in self.downloads}
        others = set((self._volume.root / "partial").glob("*.part")) - ours
        return sum(partial.unallocated_bytes(path) for path in others)

    def _for_each(self, act: Callable[[FileDownload], None]) -> None:
        """Act on all files, several at once; the first error stops the others and is raised."""
        queue = deque(self.downloads)
        tasks = [_Task(_worker(queue, act)) for _ in range(min(FILES_AT_ONCE, len(queue)))]
        while not all(task.finished.wait(POLL_SECONDS) for task in tasks):
            if any(task.error for task in tasks):
                self._halt.set()
        errors = [task.error for task in tasks if task.error]
        if errors:
            self._halt.set()
            raise next((e for e in errors if not isinstance(e, PullStopped)), errors[0])

    def _progress(self) -> list[FileProgress]:
        return [self._file_progress(file) for file in self._selection.files]

    def _file_progress(self, file: WeightFile) -> FileProgress:
        download = self._by_id.get(file.id)
        if download:
            return download.progress(file.path)
        size = self._volume.size_of(file) or 0
        return FileProgress(file.path, size, size)


def _worker(queue: deque[FileDownload], act: Callable[[FileDownload], None]) -> Callable[[], None]:
    def work() -> None:
        while queue:
            try:
                download = queue.popleft()
            except IndexError:
                return
            act(download)

    return work


class _Task:
    """A daemon thread and the error that ended it."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.finished = threading.Event()
        self.error: Exception | None = None
        self._act = act
        threading.Thread(target=self._run, name="weights-pull", daemon=True).start()

    def _run(self) -> None:
        try:
            self._act()
        except Exception as error:  # noqa: BLE001 - raised in the thread that called pull
            self.error = error
        finally:
            self.finished.set()
