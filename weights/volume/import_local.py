"""Files that are there already, under another roof: taken over once their bytes are proven.

A file costs no room where the file system can share it; else it is copied. Nothing of the other
project is ever changed: of a file that both have a name for, not even the mode.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from weights.download import partial
from weights.errors import DiskFull, PullStopped
from weights.volume import disk
from weights.volume.digest_cache import Known
from weights.volume.local_candidates import places_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from weights.manifest.manifest import WeightFile
    from weights.volume.local_candidates import Place
    from weights.volume.volume import Volume

    Chunks = Iterator[bytes]

CHUNK_BYTES = 4 * 1024 * 1024
FICLONE = 0x40049409
"""The `ioctl` by which two files share their blocks until one of them is written to."""


def adopt(
    file: WeightFile,
    volume: Volume,
    folders: Iterable[Path] = (),
    *,
    report: Callable[[int], object] | None = None,
    stop: threading.Event | None = None,
) -> bool:
    """Take the file from one of the folders, if it is there and its bytes are right.

    They may be caches of the Hub (RunPod's too), other volumes, or hold files under their own
    names. Without a digest in the manifest only what certainly has the same origin is taken.
    `report` hears how many bytes of a candidate were read. Raises `PullStopped`, `DiskFull`,
    `VolumeUnusable`.
    """
    for place in places_of(file, volume.root, folders):
        try:
            source = place.path.open("rb")
        except OSError:
            continue
        with source, suppress(_Unreadable):
            if _Adoption(file, volume, place, source).take(report or _ignore, stop):
                partial.remove(volume.partial(file))
                return True
    return False


class _Unreadable(Exception):
    """The other place gave an error in mid file: it is passed over."""


class _Adoption:
    """One file at one place, opened: what is proven is what is taken."""

    def __init__(self, file: WeightFile, volume: Volume, place: Place, source: BinaryIO) -> None:
        self._file = file
        self._volume = volume
        self._place = place
        self._source = source
        self._found = os.fstat(source.fileno())
        self._known = Known(volume.root)

    def take(self, report: Callable[[int], object], stop: threading.Event | None) -> bool:
        digest = self._known.digest(self._place.path, self._found)
        if not self._may_be(digest or self._place.says):
            return False
        with self._scratch() as fresh:
            shared = self._reflink(fresh) or self._link(fresh)
            if digest is None or not shared:
                with fresh.open("rb") if shared else self._source as bytes_of:
                    chunks = _chunks(bytes_of, report, stop)
                    digest = _digest(chunks) if shared else self._copy(chunks, fresh)
                self._known.remember(self._place.path, self._found, digest)
            if not self._is(digest):
                return False
            self._volume.admit(self._file, fresh, sha256=digest)
        return True

    def _may_be(self, digest: str | None) -> bool:
        """Whether size, digest as far as it is known, and origin allow it."""
        if self._file.size_bytes not in {None, self._found.st_size}:
            return False
        if self._file.sha256:
            return digest in {None, self._file.sha256}
        return self._place.same_origin

    def _is(self, digest: str) -> bool:
        return digest == (self._file.sha256 or self._place.says or digest)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        fresh = self._volume.scratch(self._file)
        with disk.disk_errors(self._volume.root, needed_bytes=self._found.st_size):
            try:
                yield fresh
            finally:
                fresh.unlink(missing_ok=True)

    def _reflink(self, fresh: Path) -> bool:
        """Share the blocks: as cheap as a link, and what the other project does is its own."""
        with fresh.open("xb") as target:
            try:
                fcntl.ioctl(target, FICLONE, self._source.fileno())
            except OSError:
                fresh.unlink()
                return False
        return True

    def _link(self, fresh: Path) -> bool:
        try:
            os.link(self._place.path, fresh)
        except OSError:
            return False
        if os.path.samestat(fresh.stat(), self._found):
            return True
        fresh.unlink()
        return False

    def _copy(self, chunks: Chunks, fresh: Path) -> str:
        if self._volume.free_bytes() < self._found.st_size:
            raise DiskFull(disk.no_room(self._volume.root, self._found.st_size))
        hashed = sha256()
        with fresh.open("xb") as target:
            for chunk in chunks:
                hashed.update(chunk)
                target.write(chunk)
        return hashed.hexdigest()


def _digest(chunks: Chunks) -> str:
    hashed = sha256()
    for chunk in chunks:
        hashed.update(chunk)
    return hashed.hexdigest()


def _chunks(
    source: BinaryIO, report: Callable[[int], object], stop: threading.Event | None
) -> Chunks:
    done = 0
    while chunk := _read(source):
        if stop is not None and stop.is_set():
            raise PullStopped("told to stop while a file was looked through")
        yield chunk
        done += len(chunk)
        report(done)


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(CHUNK_BYTES)
    except OSError as error:
        raise _Unreadable from error


def _ignore(_: int) -> None:
    pass
