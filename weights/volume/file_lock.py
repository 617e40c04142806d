"""A mutex over all threads, processes and machines that share a volume.

`flock` excludes other holders on this machine, and the kernel releases it when a holder dies. Many
network file systems refuse it, or silently grant it once per machine; so a `LeaseLock`, which
excludes other machines, is held too.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from weights.volume.disk import disk_errors
from weights.volume.lease_lock import LeaseLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

POLL_SECONDS = 0.5
EXPIRY_SECONDS = 30.0
"""A holder on another machine that did not renew its lease for this long counts as dead."""
_UNSUPPORTED = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL}
_BUSY = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}

_open_handles: set[int] = set()


def _close_in_child() -> None:
    """Close the handles in a forked child: they would outlive the holder and keep the lock."""
    while _open_handles:
        os.close(_open_handles.pop())


os.register_at_fork(after_in_child=_close_in_child)


class FileLock:
    """The mutex of one path. True while held; false after a stop or once another took over."""

    def __init__(self, path: Path, *, expiry_seconds: float = EXPIRY_SECONDS) -> None:
        self._path = path
        self._expiry_seconds = expiry_seconds
        self._handle: int | None = None
        self._lease: LeaseLock | None = None

    def __bool__(self) -> bool:
        return bool(self._lease)

    def try_acquire(self) -> bool:
        """Acquire the lock without waiting. On False, the `flock` is kept for the next attempt."""
        if self._lease is None:
            with disk_errors(self._path.parent):
                flocked = self._flock_file()
            if flocked is None:
                return False
            path = self._path.with_suffix(".lease")
            self._lease = LeaseLock(path, expiry_seconds=self._expiry_seconds, flocked=flocked)
        return bool(self._lease) or self._lease.try_acquire()

    def release(self) -> None:
        """Release what is held. Unlocks explicitly: a forked child may share the handle."""
        if self._lease is not None:
            self._lease.release()
        if self._handle is not None:
            _open_handles.discard(self._handle)
            with disk_errors(self._path.parent):
                _unlock(self._handle)
        self._handle = self._lease = None

    def release_and_remove(self) -> None:
        """Release the lock and remove its file."""
        if self:
            self._path.unlink(missing_ok=True)
        self.release()

    def _flock_file(self) -> bool | None:
        """Lock against this machine. None: another holds it; False: `flock` is unsupported."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        locked = _flock(handle)
        if locked is None or not _is_current(handle, self._path):
            os.close(handle)
            return None
        _open_handles.add(handle)
        self._handle = handle
        return locked


@contextmanager
def acquire(
    path: Path,
    *,
    on_wait: Callable[[], object] | None = None,
    stop: threading.Event | None = None,
    expiry_seconds: float = EXPIRY_SECONDS,
) -> Iterator[FileLock]:
    """Hold the lock of `path`; `on_wait` is called twice a second while another holds it.

    The yielded lock is false if `stop` was set before the lock was acquired.
    """
    stop = stop or threading.Event()
    lock = FileLock(path, expiry_seconds=expiry_seconds)
    try:
        while not lock.try_acquire() and not stop.is_set():
            if on_wait is not None:
                on_wait()
            stop.wait(POLL_SECONDS)
        yield lock
    finally:
        lock.release()


def _flock(handle: int) -> bool | None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return None
        if error.errno in _UNSUPPORTED:
            return False
        os.close(handle)
        raise
    return True


def _unlock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_UN)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(handle)


def _is_current(handle: int, path: Path) -> bool:
    """Whether `path` is still the locked file: a sweep may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
