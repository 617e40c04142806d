"""Deletes files that no kept model needs and leftovers of killed processes."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from weights.volume import disk, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from weights.manifest.manifest import Selection
    from weights.volume.volume import Volume

GRACE = timedelta(hours=1)
"""A newer file may belong to another process that is about to publish it."""
PARTIAL_AGE = timedelta(days=7)
"""A partial file not written to for longer is unlikely to be resumed."""
SCRATCH_AGE = timedelta(days=1)
"""The same for temporary files, which cannot be resumed, and for lock files."""


@dataclass(frozen=True)
class Leftover:
    """A file that can be deleted, and its size."""

    path: Path
    size_bytes: int


def unreferenced(volume: Volume, keep: Iterable[Selection], *, now: datetime) -> list[Leftover]:
    """Return blobs and partial files that no selection in `keep` needs, older than `GRACE`."""
    wanted = {file.id for selection in keep for file in selection.files}
    paths = (path for path in _files(volume, "blobs", "partial") if _id(path) not in wanted)
    return [leftover for path in paths if (leftover := _older(path, now - GRACE))]


def prune(volume: Volume, keep: Iterable[Selection], *, now: datetime) -> list[Leftover]:
    """Delete unreferenced files and their snapshots; return what was deleted.

    A process that has such a file open can still read it. Files being downloaded stay.
    """
    keep = list(keep)
    leftovers = unreferenced(volume, keep, now=now)
    with disk.disk_errors(volume.root):
        _remove_snapshots(volume, keep, now - GRACE)
        return [leftover for leftover in leftovers if _remove(volume, leftover.path, now - GRACE)]


def sweep(volume: Volume, *, now: datetime, partial_age: timedelta = PARTIAL_AGE) -> list[Leftover]:
    """Delete abandoned partial files, temporary files and lock files that nobody holds."""
    swept = []
    with disk.disk_errors(volume.root):
        for path in _files(volume, "partial"):
            oldest = now - (SCRATCH_AGE if path.suffix == ".tmp" else partial_age)
            leftover = _older(path, oldest)
            if leftover and _remove(volume, path, oldest):
                swept.append(leftover)
        for path in _files(volume, "locks"):
            if _older(path, now - SCRATCH_AGE):
                _remove_lock(volume, path)
    return swept


def _files(volume: Volume, *folders: str) -> Iterator[Path]:
    for folder in folders:
        with suppress(FileNotFoundError):
            yield from sorted((volume.root / folder).iterdir())


def _id(path: Path) -> str:
    return path.name.partition(".")[0]


def _older(path: Path, oldest: datetime) -> Leftover | None:
    """Return the file with its size if it was last changed before `oldest`."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    changed = max(stat.st_mtime, stat.st_ctime)
    return Leftover(path, stat.st_size) if changed < oldest.timestamp() else None


def _remove(volume: Volume, path: Path, oldest: datetime) -> bool:
    """Delete a file unless another process holds its lock."""
    with volume.try_lock(_id(path)) as lock:
        if not lock or _older(path, oldest) is None:
            return False
        path.unlink(missing_ok=True)
        return True


def _remove_lock(volume: Volume, path: Path) -> None:
    """Delete a lock file while holding it; a lease file this old has no holder."""
    if path.suffix != ".lock":
        path.unlink(missing_ok=True)
        return
    with volume.try_lock(_id(path)) as lock:
        if lock:
            lock.release_and_remove()


def _remove_snapshots(volume: Volume, keep: list[Selection], oldest: datetime) -> None:
    """Delete markers first: after that, no file of the snapshot counts as present."""
    kept = {volume.snapshot(selection) for selection in keep}
    for folder in sorted((volume.root / "models").glob("*/.*@*")):
        if folder in kept or not folder.is_dir() or _older(folder, oldest) is None:
            continue
        with suppress(FileNotFoundError):  # another prune deletes it, too
            snapshot.remove_marker(folder)
            shutil.rmtree(folder)
        with suppress(OSError):
            folder.parent.rmdir()
