"""The content-addressed store of weights: each file once, and only complete files.

blobs/<id>                      finished files, read-only; `<id>.sha256` if nobody states it
overlay/                        what the Hub said about files that the manifest has no digest of
partial/                        files being downloaded, temporary files
locks/                          one lock per file
digests/                        cached digests of files outside the volume
models/<model>/.<profile>@<revision>/      a snapshot: files under their own names, links to blobs
models/<model>/.<profile>@<revision>.json  its marker, written last: what the snapshot contains
models/<model>/<profile>        a link to the latest snapshot
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

from runtime.files import fsync_file, fsync_folder
from weights.errors import VolumeUnusable, WrongContent
from weights.volume import disk, file_lock, snapshot
from weights.volume.overlay import FOLDER, Overlay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from weights.manifest.manifest import Manifest, Selection, WeightFile

FOLDERS = ("blobs", "partial", "locks", "models", FOLDER, "hub", "torch")


@dataclass(frozen=True)
class Volume:
    """The store in the folder `root`. Processes on several machines may use it at once."""

    root: Path
    lock_expiry_seconds: float = file_lock.EXPIRY_SECONDS
    """Time without renewal after which a lock held on another machine is taken over."""

    def open(self) -> None:
        """Create the folders. Raises `VolumeUnusable` if they are not writable.

        A complete volume may be read-only: `complete` and `snapshot` need no `open`.
        """
        with disk.disk_errors(self.root):
            for name in FOLDERS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
        for name in FOLDERS:
            if not os.access(self.root / name, os.W_OK | os.X_OK):
                raise VolumeUnusable(f"{self.root / name} is not writable")

    @property
    def overlay(self) -> Overlay:
        """What the Hub said about files that the manifests have no digest of."""
        return Overlay(self.root)

    def select(self, manifest: Manifest, profile: str | None = None) -> Selection:
        """Return the files of one profile, with the digests that this volume has recorded."""
        return self.overlay.apply(manifest.select(profile))

    @property
    def hub_home(self) -> Path:
        """`HF_HOME` of programs that use this volume."""
        return self.root / "hub"

    @property
    def torch_home(self) -> Path:
        """`TORCH_HOME` of programs that use this volume."""
        return self.root / "torch"

    def blob(self, file: WeightFile) -> Path:
        """Return the path of the finished file."""
        return self.root / "blobs" / file.id

    def partial(self, file: WeightFile) -> Path:
        """Return the path of the partial file, the same for every process: any can resume it."""
        return self.root / "partial" / f"{file.id}.part"

    def begun(self, files: Iterable[WeightFile]) -> list[WeightFile]:
        """Return those of these files that are being downloaded, by one look at the folder."""
        names = _names(self.root / "partial")
        return [file for file in files if f"{file.id}.part" in names]

    def stored(self, files: Iterable[WeightFile]) -> list[WeightFile]:
        """Return those of these files that have a blob, of whatever size."""
        names = _names(self.root / "blobs")
        return [file for file in files if file.id in names]

    def temporary(self, file: WeightFile) -> Path:
        """Return a new unique path on this volume, for a file that is passed to `admit`."""
        return self.root / "partial" / f"{file.id}.{uuid4().hex}.tmp"

    def holds(self, file: WeightFile) -> bool:
        """Whether the file exists with the right size. The content is not read."""
        size = self.size_of(file)
        return size is not None and _size(self.blob(file)) == size

    def size_of(self, file: WeightFile) -> int | None:
        """Return the expected size: the manifest's, else the one recorded on admission."""
        return file.size_bytes if file.sha256 and file.size_bytes else self._record(file)[1]

    def digest_of(self, file: WeightFile) -> str | None:
        """Return the expected sha256: the manifest's, else the one recorded on admission."""
        return file.sha256 or self._record(file)[0]

    def lock(
        self,
        file: WeightFile,
        *,
        on_wait: Callable[[], object] | None = None,
        stop: threading.Event | None = None,
    ) -> AbstractContextManager[file_lock.FileLock]:
        """Hold the file's lock, which excludes all other processes on all machines.

        `on_wait` is called twice a second while another process holds the lock. The lock is false
        if `stop` was set before it was acquired.
        """
        path = self.root / "locks" / f"{file.id}.lock"
        return file_lock.acquire(
            path, on_wait=on_wait, stop=stop, expiry_seconds=self.lock_expiry_seconds
        )

    def try_lock(self, file_id: str) -> AbstractContextManager[file_lock.FileLock]:
        """Hold the lock of the file with that id without waiting: false if another holds it."""
        path = self.root / "locks" / f"{file_id}.lock"
        stop = threading.Event()
        stop.set()
        return file_lock.acquire(path, stop=stop, expiry_seconds=self.lock_expiry_seconds)

    def admit(self, file: WeightFile, path: Path, *, sha256: str) -> Path:
        """Move a finished file, already on this volume, to its blob; return the blob's path.

        Raises `WrongContent` if digest or size differ from the manifest. If two processes admit the
        same file, the second call changes nothing.
        """
        blob = self.blob(file)
        with disk.disk_errors(self.root, needed_bytes=file.size_bytes):
            try:
                fsync_file(path)
                size = path.stat().st_size
            except FileNotFoundError:
                if self.holds(file):
                    return blob
                raise
            _require_match(file, size, sha256)
            if not (file.sha256 and file.size_bytes):
                self._write_record(file, sha256, size)
            path.replace(blob)
            path.unlink(missing_ok=True)  # rename keeps both names if they are one file
            _make_read_only(blob)
            fsync_folder(blob.parent)
        return blob

    def discard(self, selection: Selection, file: WeightFile) -> None:
        """Delete a corrupt blob, its link in the snapshot, and the marker."""
        snapshot.marker_path(self.root, selection).unlink(missing_ok=True)
        (self.snapshot(selection) / file.path).unlink(missing_ok=True)
        self.blob(file).unlink(missing_ok=True)
        self._record_path(file).unlink(missing_ok=True)

    def complete(self, selection: Selection) -> bool:
        """Whether all files are in the snapshot with the right sizes: one read, one stat each."""
        marker = snapshot.read_marker(self.root, selection)
        if marker is None:
            return False
        folder = self.snapshot(selection)
        return all(_size(folder / file.path) == marker[file.path] for file in selection.files)

    def publish(self, selection: Selection) -> Path:
        """Create the snapshot of files that are all present, and its marker; return its folder."""
        sizes = {file.path: self.size_of(file) for file in selection.files}
        missing = [file.path for file in self.missing(selection)]
        if missing:
            raise VolumeUnusable(
                f"{self.root} lost {', '.join(missing)} during the pull: was it pruned? Pull again."
            )
        blobs = {file.path: self.blob(file) for file in selection.files}
        with disk.disk_errors(self.root):
            snapshot.create(self.root, selection, blobs)
            snapshot.write_marker(self.root, selection, sizes)
        return self.snapshot(selection)

    def snapshot(self, selection: Selection) -> Path:
        """Return the folder of a model's files under their own names."""
        return snapshot.folder(self.root, selection)

    def missing(self, selection: Selection) -> list[WeightFile]:
        """Return the files that are absent, one for each content."""
        files = {file.id: file for file in selection.files}
        return [file for file in files.values() if not self.holds(file)]

    def free_bytes(self) -> int:
        """Free bytes on the volume."""
        return disk.free_bytes(self.root)

    def _record(self, file: WeightFile) -> tuple[str | None, int | None]:
        try:
            digest, size = self._record_path(file).read_text("ascii").split()
            return digest, int(size)
        except (OSError, ValueError):
            return None, None

    def _write_record(self, file: WeightFile, sha256: str, size: int) -> None:
        text = f"{sha256} {size}\n"
        disk.write_atomic(self._record_path(file), text, scratch=self.root / "partial")

    def _record_path(self, file: WeightFile) -> Path:
        return self.root / "blobs" / f"{file.id}.sha256"


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:
        return frozenset()


def _size(path: Path) -> int | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size if S_ISREG(stat.st_mode) else None


def _make_read_only(blob: Path) -> None:
    """Make a finished file read-only, unless it is a hard link that another project owns too.

    Called after the rename: a partial file must stay writable so that it can be resumed.
    """
    with suppress(OSError):  # some file systems have no modes
        if blob.stat().st_nlink == 1:
            blob.chmod(0o444)


def _require_match(file: WeightFile, size: int, sha256: str) -> None:
    if file.sha256 not in {None, sha256}:
        raise WrongContent(
            f"{file.path} has sha256 {sha256}, {file.digest_owner} says {file.sha256}"
        )
    if file.size_bytes not in {None, size}:
        raise WrongContent(
            f"{file.path} has {size} bytes, {file.digest_owner} says {file.size_bytes}"
        )
