"""The file that grows: written at many places by many threads, closed once and for all."""

from __future__ import annotations

import errno
import mmap
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from weights.download import journal
from weights.download.journal import Journal
from weights.errors import PullStopped
from weights.volume import disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from weights.download.download_plan import Range
    from weights.download.journal import Content

CHUNK_BYTES = 1024 * 1024
_POPULATE_READ = 22
"""Of Linux 5.14; no name for it in Python 3.11."""
_UNMAPPED = {errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.EPERM, errno.EACCES}
"""How kernels and file systems say that they cannot do that."""


class Partial:
    """A partial file with its journal, open, and of its full length from the beginning.

    A thread that still waits for a source when it is closed writes nothing afterwards: by then
    the file may be finished, or another process may go on with it.
    """

    def __init__(self, path: Path, content: Content) -> None:
        self.path = path
        self._size = content.size
        self._changed = threading.Condition()
        self._writers = 0
        self._closed = False
        with disk.disk_errors(path.parent, needed_bytes=content.size):
            self.have = self._trusted(content)
            self._handle = _sized(path, content.size)
            self._journal = Journal(path, content)

    def write(self, piece: memoryview, at: int) -> None:
        """Write bytes at their place. Raises `PullStopped` once it is closed."""
        with self._writing():
            while piece:
                count = os.pwrite(self._handle, piece, at)
                piece, at = piece[count:], at + count

    def note(self, have: Range) -> None:
        """Let the next process know of bytes that were written."""
        with self._writing():
            self._journal.have(*have)

    def feed(self, update: Callable[[memoryview], object], start: int, end: int) -> None:
        """Give `update` bytes that were written: as they lie in memory, or else a copy."""
        with disk.disk_errors(self.path.parent):
            try:
                with _window(self._handle, start, end) as piece:
                    update(piece)
            except OSError as error:
                if error.errno not in _UNMAPPED:
                    raise
                self._read(update, start, end)

    def sync(self) -> None:
        """See to the disk what was written, and only then let it count after a loss of power."""
        with self._writing():
            mark = self._journal.mark()
            os.fdatasync(self._handle)
            self._journal.safe(mark)

    def close(self) -> None:
        """Wait for those who write at this moment, and let nobody write any more."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._writers)
        self._journal.close()
        os.close(self._handle)

    def _read(self, update: Callable[[memoryview], object], start: int, end: int) -> None:
        buffer = memoryview(bytearray(min(CHUNK_BYTES, end - start)))
        while start < end:
            count = os.preadv(self._handle, [buffer[: end - start]], start)
            if not count:
                raise OSError(errno.EIO, "is shorter than it was")
            update(buffer[:count])
            start += count

    def _trusted(self, content: Content) -> list[Range]:
        begun, have = journal.read(self.path)
        if begun == content:
            return have
        remove(self.path)
        return []

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._changed:
            if self._closed:
                raise PullStopped("the file is closed")
            self._writers += 1
        try:
            with disk.disk_errors(self.path.parent, needed_bytes=self._size):
                yield
        finally:
            with self._changed:
                self._writers -= 1
                self._changed.notify_all()


def remove(path: Path) -> None:
    """Forget a partial. The journal goes first: it must never speak of another's bytes."""
    journal.path_of(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def taken_bytes(path: Path) -> int:
    """Room that a partial has taken already."""
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def still_to_come(path: Path, *, within_seconds: float = 60.0) -> int:
    """Room that a partial will still take, if somebody wrote to it of late."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    if time.time() - found.st_mtime > within_seconds:
        return 0
    return max(0, found.st_size - found.st_blocks * 512)


def _sized(path: Path, size: int) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        os.ftruncate(handle, size)
    except OSError:
        os.close(handle)
        raise
    return handle


@contextmanager
def _window(handle: int, start: int, end: int) -> Iterator[memoryview]:
    """Look at a part of a file without copying it: a fifth of what a gigabyte costs otherwise.

    All of it is brought to memory at once: a disk that fails is an error then, and no SIGBUS.
    """
    base = start - start % mmap.ALLOCATIONGRANULARITY
    with (
        mmap.mmap(handle, end - base, mmap.MAP_SHARED, mmap.PROT_READ, offset=base) as window,
        memoryview(window) as whole,
        whole[start - base :] as piece,
    ):
        window.madvise(_POPULATE_READ)
        yield piece
