"""One holder of a lock over all threads, processes and machines that share a volume.

`flock` tells the holders on one machine apart, and the kernel frees it when a holder dies. Many
network volumes refuse it, or grant it to each machine by itself without a word; so a lease in a
file is held too, which tells machines apart.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from weights.volume.disk import disk_errors
from weights.volume.lease_lock import Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

POLL_SECONDS = 0.5
SILENCE_SECONDS = 30.0
"""A holder on another machine that did not touch its lease for so long is dead."""
_REFUSED = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL}
_BUSY = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}

_open_handles: set[int] = set()


def _leave_to_parent() -> None:
    """In a forked child: a copy of the handle would keep the lock beyond its holder's death."""
    while _open_handles:
        os.close(_open_handles.pop())


os.register_at_fork(after_in_child=_leave_to_parent)


class Lock:
    """Truth value: whether it is held. False after a stop, or when it was lost to another."""

    def __init__(self, path: Path, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._path = path
        self._silence = silence_seconds
        self._handle: int | None = None
        self._lease: Lease | None = None

    def __bool__(self) -> bool:
        return bool(self._lease)

    def attempt(self) -> bool:
        """Take the lock now, or return False. What is got of it is kept for the next attempt."""
        if self._lease is None:
            with disk_errors(self._path.parent):
                alone = self._lock_machine()
            if alone is None:
                return False
            lease = self._path.with_suffix(".lease")
            self._lease = Lease(lease, silence_seconds=self._silence, alone=alone)
        return bool(self._lease) or self._lease.take()

    def release(self) -> None:
        """Give back what is held. The unlock is said, since a forked child may share the handle."""
        if self._lease is not None:
            self._lease.release()
        if self._handle is not None:
            _open_handles.discard(self._handle)
            with disk_errors(self._path.parent):
                _unlock(self._handle)
        self._handle = self._lease = None

    def discard(self) -> None:
        """Release the lock, and remove its file: nobody will want it soon."""
        if self:
            self._path.unlink(missing_ok=True)
        self.release()

    def _lock_machine(self) -> bool | None:
        """Lock against this machine. None: another holds it; False: `flock` is refused here."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        locked = _flock(handle)
        if locked is None or not _same(handle, self._path):
            os.close(handle)
            return None
        _open_handles.add(handle)
        self._handle = handle
        return locked


@contextmanager
def locked(
    path: Path,
    *,
    wait: Callable[[], object] | None = None,
    stop: threading.Event | None = None,
    silence_seconds: float = SILENCE_SECONDS,
) -> Iterator[Lock]:
    """Hold the lock of `path`; `wait` is called twice a second as long as another holds it.

    The lock is false when `stop` was set before it could be had.
    """
    stop = stop or threading.Event()
    lock = Lock(path, silence_seconds=silence_seconds)
    try:
        while not lock.attempt() and not stop.is_set():
            if wait is not None:
                wait()
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
        if error.errno in _REFUSED:
            return False
        os.close(handle)
        raise
    return True


def _unlock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_UN)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
    finally:
        os.close(handle)


def _same(handle: int, path: Path) -> bool:
    """Whether the file at `path` is still the one that we locked: a sweep may have removed it."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
