"""The download of one file onto a volume, from the first source that has the right bytes."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from weights.download import journal, partial
from weights.download.download_pool import FileFetch
from weights.download.import_local import adopt
from weights.download.journal import ContentId
from weights.download.partial import Partial
from weights.download.retry import RetryBudget
from weights.download.streaming_hash import hash_in_order
from weights.errors import (
    AccessDenied,
    DiskFull,
    PullStopped,
    RemoteChanged,
    SourceNotFound,
    SourceUnavailable,
    VolumeUnusable,
    WeightsError,
    WrongContent,
)
from weights.progress import FileProgress
from weights.volume import disk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from weights.download.download_pool import DownloadPool
    from weights.manifest.manifest import WeightFile
    from weights.sources.base import RemoteFile, Source
    from weights.volume.volume import Volume

SYNC_SECONDS = 2.0
"""Interval of syncs to disk: a power loss costs at most what was downloaded within it."""
IDLE_WAIT_SECONDS = 0.4
"""How long an ending download waits for its threads to record what they have written."""
_LOCAL_ERRORS = (PullStopped, DiskFull, VolumeUnusable)
"""Errors that no other source could avoid."""
_ERROR_PRIORITY = (
    SourceUnavailable,
    RemoteChanged,
    AccessDenied,
    WrongContent,
    SourceNotFound,
    WeightsError,
)
"""If several sources fail, the first of these kinds is raised: it says most about what to do."""


_REMEDY = (
    "Nothing was downloaded: ask the owner of the source what changed, or pull from a copy that "
    "you trust (KINOMILL_WEIGHTS_ADOPT, KINOMILL_WEIGHTS_MIRROR)"
)
"""What to do about a source with other bytes than the known ones."""


class FileDownload:
    """Downloads one file. Its progress can be read at any time by other threads."""

    def __init__(self, file: WeightFile, volume: Volume, sources: Sequence[Source]) -> None:
        self.file = file
        self.received = 0
        self._volume = volume
        self._sources = sources
        self._total = file.size_bytes or 0
        self._done = self._received_by_others = 0
        self._waiting = self._finished = False
        self._fetch: FileFetch | None = None

    def progress(self, path: str) -> FileProgress:
        """Return the progress under one of the file's paths."""
        fetch = self._fetch
        received = self.received + (fetch.received if fetch else 0)
        done = self._total if self._finished else fetch.done_bytes if fetch else self._done
        active = not self._finished and (fetch is not None or self._waiting)
        transferred = received + self._received_by_others
        return FileProgress(
            path, done, self._total, transferred, waiting=self._waiting, active=active
        )

    def adopt(self, folders: Sequence[Path], halt: threading.Event) -> None:
        """Import the file from a local folder, unless another process is downloading it."""
        with self._volume.try_lock(self.file.id) as lock:
            if lock and not self._volume.holds(self.file):
                adopt(self.file, self._volume, folders, on_read=self._set_done, stop=halt)
        self._done = 0
        self._finish_if_present()

    def needed_bytes(self) -> int:
        """Return the disk space still needed; asks a source if the manifest has no size."""
        if self._finished:
            return 0
        size = self.file.size_bytes or self._remote_size()
        return max(0, size - partial.allocated_bytes(self._volume.partial(self.file)))

    def run(self, pool: DownloadPool) -> None:
        """Download the file, or wait until another process has. Raises `WeightsError`."""
        with self._volume.lock(
            self.file, on_wait=self._watch_other_process, stop=pool.halt
        ) as lock:
            self._waiting = False
            self._finish_if_present()
            if self._finished:
                return
            if not lock:
                raise PullStopped("stopped while another process downloads the file")
            self._try_sources(pool)
            self._finished = True

    def _try_sources(self, pool: DownloadPool) -> None:
        errors: list[tuple[Source, WeightsError]] = []
        for source in self._sources:
            try:
                self._download_from(source, pool)
            except _LOCAL_ERRORS:
                raise
            except WeightsError as error:
                errors.append((source, error))
            else:
                return
        raise _combined_error(self.file, errors)

    def _download_from(self, source: Source, pool: DownloadPool) -> None:
        """Download from one source. Damaged or changed content is downloaded once more."""
        path = self._volume.partial(self.file)
        retry = RetryBudget(pool.limits.retry_timeout_seconds / len(self._sources))
        actual = "?"
        for may_repeat in (True, False):
            remote = self._stat(source, retry, pool.halt)
            expected = self.file.sha256 or remote.sha256
            try:
                actual = self._transfer(source, remote, retry, pool)
            except RemoteChanged:
                self._remove(path)
                if not may_repeat:
                    raise
                continue
            if expected in {None, actual}:
                self._volume.admit(self.file, path, sha256=actual)
                self._remove(path)
                return
            self._remove(path)
        raise WrongContent(f"{source}: wrong bytes: sha256 is {actual}, expected {expected}")

    def _stat(self, source: Source, retry: RetryBudget, halt: threading.Event) -> RemoteFile:
        while not halt.is_set():
            try:
                remote = source.stat()
            except SourceUnavailable as error:
                retry.record_failure(error, time.monotonic())
                halt.wait(retry.not_before - time.monotonic())
            else:
                _require_match(source, remote, self.file)
                self._total = remote.size_bytes
                return remote
        raise PullStopped("stopped before the source answered")

    def _transfer(
        self, source: Source, remote: RemoteFile, retry: RetryBudget, pool: DownloadPool
    ) -> str:
        """Download what is missing, hash the whole file meanwhile, and return the digest."""
        content = ContentId(remote.size_bytes, self._content_id(source, remote))
        target = Partial(self._volume.partial(self.file), content)
        fetch = FileFetch(source, remote, target, retry, pool)
        try:
            with self._tracked(fetch), pool.working_on(fetch), _periodic_sync(target, fetch):
                try:
                    return hash_in_order(remote.size_bytes, fetch.wait_contiguous, target.feed)
                finally:
                    fetch.wait_idle(IDLE_WAIT_SECONDS)
        finally:
            target.close()

    def _content_id(self, source: Source, remote: RemoteFile) -> str:
        """Identify the content. Without a digest or validator nothing can be resumed."""
        digest = self.file.sha256 or remote.sha256
        return digest or f"{source} {remote.validator or uuid4().hex}"

    @contextmanager
    def _tracked(self, fetch: FileFetch) -> Iterator[None]:
        self._fetch = fetch
        try:
            yield
        finally:
            self._done = fetch.done_bytes
            self.received += fetch.received
            self._fetch = None

    def _watch_other_process(self) -> None:
        """Update the progress from the partial file that another process writes."""
        done = journal.done_bytes(self._volume.partial(self.file))
        if self._waiting:
            self._received_by_others += max(0, done - self._done)
        self._done, self._waiting = done, True

    def _set_done(self, done: int) -> None:
        self._done = done

    def _finish_if_present(self) -> None:
        if self._volume.holds(self.file):
            self._total = self._volume.size_of(self.file) or 0
            self._finished = True

    def _remote_size(self) -> int:
        for source in self._sources:
            try:
                return source.stat().size_bytes
            except WeightsError:  # the download itself reports it with more detail
                continue
        return 0

    def _remove(self, path: Path) -> None:
        with disk.disk_errors(path.parent):
            partial.remove(path)


@contextmanager
def _periodic_sync(target: Partial, fetch: FileFetch) -> Iterator[None]:
    """Sync the partial file regularly: it survives a power loss, and the last sync is short."""
    finished = threading.Event()

    def sync() -> None:
        try:
            while not finished.wait(SYNC_SECONDS):
                target.sync()
        except WeightsError as error:
            fetch.fail(error)

    thread = threading.Thread(target=sync, name="weights-sync", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()


def _require_match(source: Source, remote: RemoteFile, file: WeightFile) -> None:
    """Raise `WrongContent` if the source has another file than the one that is wanted."""
    if file.size_bytes not in {None, remote.size_bytes}:
        raise WrongContent(
            f"{source}: has {remote.size_bytes} bytes, {file.digest_owner} says {file.size_bytes}. "
            + _REMEDY
        )
    if file.sha256 and remote.sha256 not in {None, file.sha256}:
        raise WrongContent(
            f"{source}: has sha256 {remote.sha256}, {file.digest_owner} says {file.sha256}. "
            + _REMEDY
        )


def _combined_error(
    file: WeightFile, errors: Sequence[tuple[Source, WeightsError]]
) -> WeightsError:
    """Return one error that names each source and why it failed."""
    texts = [str(e) if str(source) in str(e) else f"{source}: {e}" for source, e in errors]
    first = min((e for _, e in errors), key=_priority, default=SourceNotFound("it has no source"))
    kind = next(kind for kind in _ERROR_PRIORITY if isinstance(first, kind))
    combined = kind(f"{file.path}: {'; '.join(texts) or first}")
    combined.__cause__ = first
    return combined


def _priority(error: WeightsError) -> int:
    return next(n for n, kind in enumerate(_ERROR_PRIORITY) if isinstance(error, kind))
