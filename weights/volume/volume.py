"""The content store that workers share: each file once, whole or not at all.

blobs/<id>                      finished files, read-only; `<id>.sha256` where no manifest knows it
partial/                        what is being fetched
locks/                          one lock for each file
models/<model>/<profile>/       a view: the files under their own names, links to blobs
models/<model>/<profile>.json   the marker, written last: what the view holds
hub/, torch/                    HF_HOME and TORCH_HOME
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from stat import S_ISREG
from typing import TYPE_CHECKING
from uuid import uuid4

from weights.errors import VolumeUnusable, WrongContent
from weights.volume import disk, file_lock, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from weights.manifest.manifest import Selection, WeightFile

FOLDERS = ("blobs", "partial", "locks", "models", "hub", "torch")


@dataclass(frozen=True)
class Volume:
    """The store below `root`. Many processes on many machines may use it at once."""

    root: Path
    silence_seconds: float = file_lock.SILENCE_SECONDS
    """How long the holder of a lock on another machine may show no life."""

    def open(self) -> None:
        """Make the folders. Raises `VolumeUnusable` when it cannot be written to.

        A complete volume may be read-only: `complete` and `view` need no `open`.
        """
        with disk.disk_errors(self.root):
            for name in FOLDERS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
        for name in FOLDERS:
            if not os.access(self.root / name, os.W_OK | os.X_OK):
                raise VolumeUnusable(f"{self.root / name} cannot be written to")

    @property
    def hub_home(self) -> Path:
        """The value of `HF_HOME` for programs that use this volume."""
        return self.root / "hub"

    @property
    def torch_home(self) -> Path:
        """The value of `TORCH_HOME` for programs that use this volume."""
        return self.root / "torch"

    def blob(self, file: WeightFile) -> Path:
        """Where the finished file lies, or will lie."""
        return self.root / "blobs" / file.id

    def partial(self, file: WeightFile) -> Path:
        """Where the file grows: the same place for every process, so that any can go on."""
        return self.root / "partial" / f"{file.id}.part"

    def scratch(self, file: WeightFile) -> Path:
        """A place of nobody else's, from which `admit` can take the file."""
        return self.root / "partial" / f"{file.id}.{uuid4().hex}.tmp"

    def holds(self, file: WeightFile) -> bool:
        """Whether the file is there at its size; a look, no more."""
        size = self.size_of(file)
        return size is not None and _size(self.blob(file)) == size

    def size_of(self, file: WeightFile) -> int | None:
        """The size that the file has to have, from its manifest or from when it was admitted."""
        return file.size_bytes if file.sha256 and file.size_bytes else self._record(file)[1]

    def digest_of(self, file: WeightFile) -> str | None:
        """The digest of the content, from its manifest or from when it was admitted."""
        return file.sha256 or self._record(file)[0]

    def lock(
        self,
        file: WeightFile,
        *,
        wait: Callable[[], object] | None = None,
        stop: threading.Event | None = None,
    ) -> AbstractContextManager[file_lock.Lock]:
        """Be the only one, in all processes on all machines, who fetches the file.

        `wait` is called twice a second as long as another holds the lock. The lock is false when
        `stop` was set before it could be had.
        """
        path = self.root / "locks" / f"{file.id}.lock"
        return file_lock.locked(path, wait=wait, stop=stop, silence_seconds=self.silence_seconds)

    def lock_at_once(self, name: str) -> AbstractContextManager[file_lock.Lock]:
        """The lock of the file with that id, false unless it is free."""
        path = self.root / "locks" / f"{name}.lock"
        stop = threading.Event()
        stop.set()
        return file_lock.locked(path, stop=stop, silence_seconds=self.silence_seconds)

    def admit(self, file: WeightFile, path: Path, *, sha256: str) -> Path:
        """Make a finished file, on this volume and with that digest, a blob; return its place.

        Raises `WrongContent` when digest or size are not the manifest's. Of two that admit the
        same file the second changes nothing.
        """
        blob = self.blob(file)
        with disk.disk_errors(self.root, needed_bytes=file.size_bytes):
            try:
                disk.sync(path)
                size = path.stat().st_size
            except FileNotFoundError:
                if self.holds(file):
                    return blob
                raise
            _compare(file, size, sha256)
            if not (file.sha256 and file.size_bytes):
                self._write_record(file, sha256, size)
            path.replace(blob)
            path.unlink(missing_ok=True)  # two names of one file: rename leaves both
            _make_read_only(blob)
            disk.sync(blob.parent)
        return blob

    def discard(self, selection: Selection, file: WeightFile) -> None:
        """Throw away a blob that turned out bad, its name in the view, and the marker."""
        snapshot.marker_path(self.root, selection).unlink(missing_ok=True)
        (self.view(selection) / file.path).unlink(missing_ok=True)
        self.blob(file).unlink(missing_ok=True)
        self._record_path(file).unlink(missing_ok=True)

    def complete(self, selection: Selection) -> bool:
        """Whether all files are in the view at their sizes: one read and one look at each."""
        marker = snapshot.read_marker(self.root, selection)
        if marker is None:
            return False
        folder = self.view(selection)
        return all(_size(folder / file.path) == marker[file.path] for file in selection.files)

    def publish(self, selection: Selection) -> Path:
        """Make the view of files that are all there, and the marker; return the view's folder."""
        sizes = {file.path: self.size_of(file) for file in selection.files}
        lost = [file.path for file in self.missing(selection)]
        if lost:
            raise VolumeUnusable(f"{self.root} lost {', '.join(lost)}: was it pruned meanwhile?")
        blobs = {file.path: self.blob(file) for file in selection.files}
        with disk.disk_errors(self.root):
            snapshot.make(self.root, selection, blobs)
            snapshot.write_marker(self.root, selection, sizes)
        return self.view(selection)

    def view(self, selection: Selection) -> Path:
        """The folder of a model's files under their own names."""
        return snapshot.folder(self.root, selection)

    def missing(self, selection: Selection) -> list[WeightFile]:
        """The files that are not there; one of several with the same content."""
        files = {file.id: file for file in selection.files}
        return [file for file in files.values() if not self.holds(file)]

    def free_bytes(self) -> int:
        """Room that is left for us."""
        return disk.free_bytes(self.root)

    def _record(self, file: WeightFile) -> tuple[str | None, int | None]:
        try:
            digest, size = self._record_path(file).read_text("ascii").split()
            return digest, int(size)
        except (OSError, ValueError):
            return None, None

    def _write_record(self, file: WeightFile, sha256: str, size: int) -> None:
        text = f"{sha256} {size}\n"
        disk.write_whole(self._record_path(file), text, scratch=self.root / "partial")

    def _record_path(self, file: WeightFile) -> Path:
        return self.root / "blobs" / f"{file.id}.sha256"


def _size(path: Path) -> int | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size if S_ISREG(found.st_mode) else None


def _make_read_only(blob: Path) -> None:
    """Guard a finished file, where it is only ours: another project's keeps the mode they gave it.

    Not before it has its final name, since a partial must stay one that can be gone on with.
    """
    with suppress(OSError):  # a volume that keeps no modes is no fault
        if blob.stat().st_nlink == 1:
            blob.chmod(0o444)


def _compare(file: WeightFile, size: int, sha256: str) -> None:
    if file.sha256 not in {None, sha256}:
        raise WrongContent(f"{file.path} has the sha256 {sha256}, its manifest says {file.sha256}")
    if file.size_bytes not in {None, size}:
        raise WrongContent(f"{file.path} has {size} bytes, its manifest says {file.size_bytes}")
