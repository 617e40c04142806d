"""Imports files that are on this machine already, after their bytes were verified.

A file takes no extra space where the file system can share it (reflink or hard link); otherwise it
is copied. Files of other projects are never changed, not even the mode of a hard-linked one.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from weights.download import partial
from weights.download.local_candidates import local_candidates
from weights.errors import DiskFull, PullStopped
from weights.volume import disk
from weights.volume.digest_cache import DigestCache

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from weights.download.local_candidates import LocalCandidate
    from weights.manifest.manifest import WeightFile
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
    on_read: Callable[[int], object] | None = None,
    stop: threading.Event | None = None,
) -> bool:
    """Import the file from one of the folders if it is there with the right bytes.

    Folders may be Hub caches (RunPod's too), other volumes, or hold files under their own names.
    If the manifest has no digest, only files certain to have the same source are imported.
    `on_read` receives the bytes read of a candidate. Raises `PullStopped`, `DiskFull`,
    `VolumeUnusable`.
    """
    for candidate in local_candidates(file, volume.root, folders):
        try:
            source = candidate.path.open("rb")
        except OSError:
            continue
        with source, suppress(_Unreadable):
            if _Import(file, volume, candidate, source).run(on_read or _ignore, stop):
                partial.remove(volume.partial(file))
                return True
    return False


class _Unreadable(Exception):
    """Reading the candidate failed: it is skipped."""


class _Import:
    """The import of one open candidate: exactly the verified bytes are imported."""

    def __init__(
        self, file: WeightFile, volume: Volume, candidate: LocalCandidate, source: BinaryIO
    ) -> None:
        self._file = file
        self._volume = volume
        self._candidate = candidate
        self._source = source
        self._stat = os.fstat(source.fileno())
        self._digests = DigestCache(volume.root)

    def run(self, on_read: Callable[[int], object], stop: threading.Event | None) -> bool:
        digest = self._digests.get(self._candidate.path, self._stat)
        if not self._plausible(digest or self._candidate.claimed_sha256):
            return False
        with self._temporary() as temporary:
            shared = self._reflink(temporary) or self._link(temporary)
            if digest is None or not shared:
                with temporary.open("rb") if shared else self._source as reader:
                    chunks = _chunks(reader, on_read, stop)
                    digest = _digest(chunks) if shared else self._copy(chunks, temporary)
                self._digests.put(self._candidate.path, self._stat, digest)
            if not self._matches(digest):
                return False
            self._volume.admit(self._file, temporary, sha256=digest)
        return True

    def _plausible(self, digest: str | None) -> bool:
        """Whether size, source, and digest as far as known, fit the wanted file."""
        if self._file.size_bytes not in {None, self._stat.st_size}:
            return False
        if self._file.sha256:
            return digest in {None, self._file.sha256}
        return self._candidate.same_source

    def _matches(self, digest: str) -> bool:
        return digest == (self._file.sha256 or self._candidate.claimed_sha256 or digest)

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        temporary = self._volume.temporary(self._file)
        with disk.disk_errors(self._volume.root, needed_bytes=self._stat.st_size):
            try:
                yield temporary
            finally:
                temporary.unlink(missing_ok=True)

    def _reflink(self, temporary: Path) -> bool:
        """Share the blocks: as cheap as a link, and later writes to the other file do not show."""
        with temporary.open("xb") as target:
            try:
                fcntl.ioctl(target, FICLONE, self._source.fileno())
            except OSError:
                temporary.unlink()
                return False
        return True

    def _link(self, temporary: Path) -> bool:
        try:
            os.link(self._candidate.path, temporary)
        except OSError:
            return False
        if os.path.samestat(temporary.stat(), self._stat):
            return True
        temporary.unlink()
        return False

    def _copy(self, chunks: Chunks, temporary: Path) -> str:
        if self._volume.free_bytes() < self._stat.st_size:
            raise DiskFull(disk.no_space(self._volume.root, self._stat.st_size))
        hashed = sha256()
        with temporary.open("xb") as target:
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
    source: BinaryIO, on_read: Callable[[int], object], stop: threading.Event | None
) -> Chunks:
    done = 0
    while chunk := _read(source):
        if stop is not None and stop.is_set():
            raise PullStopped("stopped while a local file was read")
        yield chunk
        done += len(chunk)
        on_read(done)


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(CHUNK_BYTES)
    except OSError as error:
        raise _Unreadable from error


def _ignore(_: int) -> None:
    pass
