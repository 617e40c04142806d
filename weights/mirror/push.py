"""Copies a model's files from a volume to a mirror.

`<mirror>/blobs/<sha256>` holds each file, whatever model it belongs to.
`<mirror>/models/<name>/weights.toml` is written last: where it exists, all its files exist too.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import TYPE_CHECKING

from weights.errors import PullStopped, WrongContent
from weights.mirror.base import checksum_file
from weights.progress import FileProgress, ProgressMeter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from weights.manifest.manifest import Selection, WeightFile
    from weights.mirror.base import Mirror
    from weights.progress import TransferProgress
    from weights.volume.volume import Volume

UPLOADS = 4
"""Files uploaded at the same time."""

REPORT_SECONDS = 0.1
"""Shortest time between two calls of `on_progress`."""


@dataclass(frozen=True)
class PushResult:
    """What a push did, by the paths of the files."""

    sent: tuple[str, ...]
    """Files that were uploaded."""
    present: tuple[str, ...]
    """Files that the mirror already had."""
    sent_bytes: int


def push(
    selection: Selection,
    manifest: Path,
    volume: Volume,
    mirror: Mirror,
    *,
    on_progress: Callable[[TransferProgress], None] = lambda _: None,
    stop: Event | None = None,
) -> PushResult:
    """Copy a complete selection from the volume to a mirror, then its manifest.

    Each file is hashed before the upload, so a mirror never stores bytes under a wrong digest.
    Raises `WrongContent` for a corrupt file on the volume, `PullStopped` once `stop` is set.
    """
    files = {file.id: file for file in selection.files}.values()
    progress = _PushProgress(files, on_progress, stop or Event())
    with ThreadPoolExecutor(UPLOADS, thread_name_prefix="push") as pool:
        futures = {pool.submit(_push_file, file, volume, mirror, progress): file for file in files}
        try:
            sent = {futures[one].id for one in as_completed(futures) if one.result()}
        except BaseException:
            progress.stop.set()
            raise
    progress.check()
    key = f"models/{selection.model}/weights.toml"
    mirror.put(key, manifest, checksum_file(manifest), lambda _: None)
    return PushResult(
        sent=tuple(file.path for file in selection.files if file.id in sent),
        present=tuple(file.path for file in selection.files if file.id not in sent),
        sent_bytes=sum(file.size_bytes or 0 for file in files if file.id in sent),
    )


def _push_file(file: WeightFile, volume: Volume, mirror: Mirror, progress: _PushProgress) -> bool:
    path = volume.blob(file)
    checksums = checksum_file(path, progress.check)
    if checksums.sha256 != file.sha256:
        raise WrongContent(
            f"{file.path} on this volume does not have the sha256 of {file.digest_owner}: run "
            "`kinomill models verify --repair` to download it again"
        )
    key = f"blobs/{checksums.sha256}"
    sent = mirror.put(key, path, checksums, lambda done: progress.sent(file, done))
    progress.finished(file)
    return sent


class _PushProgress:
    """Progress over all files, reported to one callback by one thread at a time."""

    def __init__(
        self,
        files: Iterable[WeightFile],
        on_progress: Callable[[TransferProgress], None],
        stop: Event,
    ) -> None:
        self.stop = stop
        self._on_progress = on_progress
        self._files = {file.id: FileProgress(file.path, 0, file.size_bytes or 0) for file in files}
        self._meter = ProgressMeter(time.monotonic())
        self._reported_at = 0.0
        self._lock = Lock()

    def check(self) -> None:
        """Raise `PullStopped` if the push must end."""
        if self.stop.is_set():
            raise PullStopped("the push was stopped; files already on the mirror stay there")

    def sent(self, file: WeightFile, done: int) -> None:
        """Record how many bytes of a file were sent."""
        self.check()
        known = self._files[file.id]
        self._update(file.id, replace(known, done=done, transferred=done, active=True))

    def finished(self, file: WeightFile) -> None:
        """Record that the mirror has the file, uploaded now or earlier."""
        known = self._files[file.id]
        self._update(file.id, replace(known, done=known.total, active=False))

    def _update(self, name: str, file: FileProgress) -> None:
        with self._lock:
            self._files[name] = file
            now = time.monotonic()
            if now - self._reported_at >= REPORT_SECONDS:
                self._reported_at = now
                self._on_progress(self._meter.read(list(self._files.values()), now))
