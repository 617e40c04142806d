"""The faces of a clip that was followed before, kept by the content of its file."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import zipfile
import zlib
from array import array
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np

from models.faces.box import Box
from models.faces.tracking.tracked_frame import Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from models.faces.detection.detector import Frame
    from models.faces.tracking.tracker import Follower

log = logging.getLogger(__name__)

MAX_BYTES = 64 << 20
POINTS = 5
WIDTH = 2 + 4 + 2 * POINTS
"""Numbers a frame: cut, bridged, then those of the box and its points; NaN where there is none."""
_DAMAGED = (
    *(OSError, EOFError, ValueError, LookupError, NotImplementedError),
    *(RuntimeError, zipfile.BadZipFile, zlib.error),
)
"""What reading an archive was seen to raise when any of its bytes was changed."""


def key(path: Path, *rules: object) -> str:
    """The name of a clip's entry: its content, and all by which it is read and followed."""
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(repr((content, *map(str, rules))).encode()).hexdigest()


class BoxCache:
    """A folder of small files, of `max_bytes` in all; those not used for longest go first.

    Only a help: what is damaged or cannot be written is as if it were not there.
    """

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def follow(
        self, frames: Iterable[Frame], follower: Follower, key: str, *, count: int
    ) -> Iterator[Seen]:
        """The `count` frames with their faces: remembered, or followed and remembered.

        What is remembered of more frames serves for fewer. `follower.counts` tells of the frames
        that came out so far, in both cases. While following, 128 bytes a frame are kept.
        """
        rows = self._read(key)
        if rows is not None and len(rows) >= count:
            yield from follower.replay(_seen(frames, rows))
            return
        record = array("d")
        for seen in follower.follow(frames):
            record.extend(_row(seen))
            if len(record) == count * WIDTH:
                self._write(key, np.array(record).reshape(-1, WIDTH))
            yield seen

    def _read(self, key: str) -> NDArray[np.float64] | None:
        path = self._path(key)
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                rows = np.asarray(file["rows"])
            os.utime(path)
        except FileNotFoundError:
            return None
        except _DAMAGED:
            log.warning("cached faces damaged", extra={"path": str(path)})
            return None
        return rows if rows.dtype == np.float64 and rows.shape[1:] == (WIDTH,) else None

    def _write(self, key: str, rows: NDArray[np.float64]) -> None:
        packed = io.BytesIO()
        np.savez_compressed(packed, rows=rows)
        half_written = self._folder / f"{key}.{os.getpid()}.part"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            half_written.unlink(missing_ok=True)
            with half_written.open("xb") as file:  # never through a link that lay there before
                file.write(packed.getvalue())
            half_written.replace(self._path(key))
            self._shrink()
        except OSError as error:
            log.warning("faces not cached", extra={"folder": str(self._folder), "why": str(error)})

    def _shrink(self) -> None:
        """Remove the files not used for longest; another process may do the same."""
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


def _row(seen: Seen) -> list[float]:
    numbers = seen.box.numbers if seen.box else ()
    row = [float(seen.cut), float(seen.bridged), *numbers]
    return [*row, *[nan] * (WIDTH - len(row))]


def _seen(frames: Iterable[Frame], rows: NDArray[np.float64]) -> Iterator[Seen]:
    for frame, row in zip(frames, rows, strict=False):
        cut, bridged, *padded = row.tolist()
        numbers = [number for number in padded if not isnan(number)]
        box = Box.of(numbers) if numbers else None
        yield Seen(frame, box, cut=bool(cut), bridged=bool(bridged))
