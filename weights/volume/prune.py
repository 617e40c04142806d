"""What a volume need not keep: files that no model asks for, and what killed processes left."""

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
"""A file that came within this time may be another process's, about to be published."""
PARTIAL_AGE = timedelta(days=7)
"""A partial that nobody wrote to for longer will hardly be gone on with."""
SCRATCH_AGE = timedelta(days=1)
"""The same for what cannot be gone on with, and for locks."""


@dataclass(frozen=True)
class Leftover:
    """A file that can go, with the room that it takes."""

    path: Path
    size_bytes: int


def unreferenced(volume: Volume, keep: Iterable[Selection], *, now: datetime) -> list[Leftover]:
    """Blobs and partials that none of the selections asks for, and that are not quite new."""
    wanted = {file.id for selection in keep for file in selection.files}
    paths = (path for path in _files(volume, "blobs", "partial") if _id(path) not in wanted)
    return [leftover for path in paths if (leftover := _older(path, now - GRACE))]


def prune(volume: Volume, keep: Iterable[Selection], *, now: datetime) -> list[Leftover]:
    """Remove what is unreferenced, and the views of it; return what went.

    A worker that has such a file open keeps it until it closes it. A file that somebody is
    fetching at the moment stays.
    """
    keep = list(keep)
    leftovers = unreferenced(volume, keep, now=now)
    with disk.disk_errors(volume.root):
        _remove_views(volume, keep, now - GRACE)
        return [leftover for leftover in leftovers if _remove(volume, leftover.path, now - GRACE)]


def sweep(volume: Volume, *, now: datetime, partial_age: timedelta = PARTIAL_AGE) -> list[Leftover]:
    """Remove partials that nobody goes on with, scratch files, and locks that nobody holds."""
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
    """The file with its size, if nothing was done to it since then."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    touched = max(found.st_mtime, found.st_ctime)
    return Leftover(path, found.st_size) if touched < oldest.timestamp() else None


def _remove(volume: Volume, path: Path, oldest: datetime) -> bool:
    """Remove a file unless somebody is at work on it."""
    with volume.lock_at_once(_id(path)) as lock:
        if not lock or _older(path, oldest) is None:
            return False
        path.unlink(missing_ok=True)
        return True


def _remove_lock(volume: Volume, path: Path) -> None:
    """Remove a lock's file while we hold it; a lease as old as this has no holder."""
    if path.suffix != ".lock":
        path.unlink(missing_ok=True)
        return
    with volume.lock_at_once(_id(path)) as lock:
        if lock:
            lock.discard()


def _remove_views(volume: Volume, keep: list[Selection], oldest: datetime) -> None:
    """Markers first: from then on no file of the view counts as there."""
    kept = {volume.view(selection) for selection in keep}
    for folder in sorted((volume.root / "models").glob("*/.*@*")):
        if folder in kept or _older(folder, oldest) is None:
            continue
        snapshot.forget(folder)
        shutil.rmtree(folder)
        with suppress(OSError):
            folder.parent.rmdir()
