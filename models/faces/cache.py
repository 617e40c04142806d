"""A cache of the faces that were tracked in a video, by the content of the video file."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from array import array
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np
import structlog

from models.faces.box import Box
from models.faces.tracking.tracked_frame import TrackedFrame
from runtime.files import sha256_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from models.arrays import Frame, Vector
    from models.faces.tracking.tracker import FaceTracker

log = structlog.get_logger()

_MAX_BYTES = 64 << 20
_MAX_POINTS = 5
_WIDTH = 2 + 5 + 2 * _MAX_POINTS
"""Numbers a frame: cut, interpolated, then those of the box and its points; NaN if absent."""
_DAMAGED = (
    *(OSError, EOFError, ValueError, LookupError, NotImplementedError),
    *(RuntimeError, zipfile.BadZipFile, zlib.error),
)
"""What NumPy raises on a damaged archive (found by changing each byte, see `test_cache.py`)."""


def cache_key(video: Path, *options: object) -> str:
    """The key of a video: a hash of its content and of everything that its track depends on."""
    content = sha256_file(video)
    return hashlib.sha256(repr((content, *map(str, options))).encode()).hexdigest()


class FaceTrackCache:
    """A folder of small files, `max_bytes` in total; the least recently used are evicted.

    A damaged file counts as a miss, and a failed write is only logged.
    """

    def __init__(self, folder: Path, *, max_bytes: int = _MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def track(
        self, frames: Iterable[Frame], tracker: FaceTracker, key: str, *, count: int
    ) -> Iterator[TrackedFrame]:
        """The `count` frames with their faces, from the cache or from the tracker.

        An entry with more frames than `count` is a hit, too. In both cases `tracker.counts` covers
        the frames returned so far. Tracking holds 136 bytes a frame until the entry is written.
        """
        rows = self._read(key)
        if rows is not None and len(rows) >= count:
            yield from tracker.replay(_from_rows(frames, rows))
            return
        record = array("d")
        for tracked in tracker.track(frames):
            record.extend(_to_row(tracked))
            if len(record) == count * _WIDTH:
                self._write(key, np.array(record).reshape(-1, _WIDTH))
            yield tracked

    def _read(self, key: str) -> Vector | None:
        path = self._path(key)
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                rows = np.asarray(file["rows"])
            os.utime(path)
        except FileNotFoundError:
            return None
        except _DAMAGED:
            log.warning("cached faces damaged", path=str(path))
            return None
        return rows if rows.dtype == np.float64 and rows.shape[1:] == (_WIDTH,) else None

    def _write(self, key: str, rows: Vector) -> None:
        packed = io.BytesIO()
        np.savez_compressed(packed, rows=rows)
        partial = self._folder / f"{key}.{os.getpid()}.part"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.unlink(missing_ok=True)
            with partial.open("xb") as file:  # "x": never write through another user's symlink
                file.write(packed.getvalue())
            partial.replace(self._path(key))
            self._evict()
        except OSError as error:
            log.warning("faces not cached", folder=str(self._folder), error=str(error))

    def _evict(self) -> None:
        """Remove the least recently used files; another process may do the same."""
        files = sorted(
            ((stat.st_mtime, stat.st_size, path) for path, stat in _stats(self._folder)),
            reverse=True,
        )
        total = 0
        for _, size, path in files:
            total += size
            if total > self._max_bytes:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.npz"


def _stats(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder.iterdir():
        try:
            yield path, path.stat()
        except FileNotFoundError:
            continue


def _to_row(tracked: TrackedFrame) -> list[float]:
    numbers = tracked.box.vector if tracked.box else ()
    row = [float(tracked.cut), float(tracked.interpolated), *numbers]
    return [*row, *[nan] * (_WIDTH - len(row))]


def _from_rows(frames: Iterable[Frame], rows: Vector) -> Iterator[TrackedFrame]:
    for frame, row in zip(frames, rows, strict=False):
        cut, interpolated, *padded = row.tolist()
        numbers = [number for number in padded if not isnan(number)]
        box = Box.from_vector(numbers) if numbers else None
        yield TrackedFrame(frame, box, cut=bool(cut), interpolated=bool(interpolated))
