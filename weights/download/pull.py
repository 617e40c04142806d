"""Downloads the missing files of a selection onto a volume, several at once."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from weights.download import partial
from weights.download.describe import record_digests
from weights.download.download_pool import DownloadPool
from weights.download.file_download import FileDownload
from weights.download.limits import PullLimits
from weights.download.tasks import POLL_SECONDS, Task, for_each
from weights.errors import DiskFull, PullStopped
from weights.progress import FileProgress, ProgressMeter, TransferProgress
from weights.volume import disk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from weights.manifest.manifest import Selection, WeightFile
    from weights.manifest.remote import RemoteMetadata
    from weights.manifest.source_uri import SourceUri
    from weights.sources.base import Source
    from weights.volume.volume import Volume

DEFAULT_LIMITS = PullLimits()
FILES_AT_ONCE = 8
"""Files that are imported, requested, downloaded, hashed or waited for at the same time."""
STOP_SECONDS = 0.8
"""How long a stopped pull waits for its threads; those waiting for a source are left behind."""


class Sources(Protocol):
    """Finds the sources of a file; `weights.sources.source_factory` implements it."""

    def for_file(self, file: WeightFile) -> Sequence[Source]:
        """Return all sources that may have the file, in the order in which they are tried."""
        ...

    def describe(self, uri: SourceUri) -> RemoteMetadata:
        """Return size, digest and commit of a file on the Hub. Raises `WeightsError`."""
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

    A digest that the manifest lacks is asked of the Hub first, and recorded on the volume.
    `on_progress` is called up to ten times a second, always by the calling thread; an exception it
    raises ends the pull. After `stop` is set the pull raises `PullStopped` within a second. However
    it ends, downloaded bytes are kept, and the next pull resumes. Raises `WeightsError`.
    """
    began, stop = time.monotonic(), stop or threading.Event()
    selection = volume.overlay.apply(selection)
    if volume.complete(selection):
        return PullResult(volume.snapshot(selection), 0, time.monotonic() - began)
    volume.open()
    selection = _described(selection, volume, sources, limits, stop)
    run = _PullRun(selection, volume, sources, limits, tuple(adopt_from))
    run.run(on_progress, stop)
    folder = volume.publish(selection)
    fetched = sum(download.received for download in run.downloads)
    return PullResult(folder, fetched, time.monotonic() - began)


def _described(
    selection: Selection,
    volume: Volume,
    sources: Sources,
    limits: PullLimits,
    stop: threading.Event,
) -> Selection:
    """Record missing digests in another thread: a Hub that hangs must not outlast a stop."""
    found: list[Selection] = []
    halt = threading.Event()
    work = Task(
        lambda: found.append(record_digests(selection, volume, sources.describe, limits, halt))
    )
    while not work.finished.wait(POLL_SECONDS) and not stop.is_set():
        pass
    halt.set()
    work.finished.wait(STOP_SECONDS)
    if work.error:
        raise work.error
    if not found:
        raise PullStopped("stopped before the Hub answered")
    return found[0]


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
        work = Task(self._download_all)
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
        for_each(self.downloads, act, self._halt, at_once=FILES_AT_ONCE)

    def _progress(self) -> list[FileProgress]:
        return [self._file_progress(file) for file in self._selection.files]

    def _file_progress(self, file: WeightFile) -> FileProgress:
        download = self._by_id.get(file.id)
        if download:
            return download.progress(file.path)
        size = self._volume.size_of(file) or 0
        return FileProgress(file.path, size, size)
