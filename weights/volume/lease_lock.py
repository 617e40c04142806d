"""A mutex by a file with an expiry, for volumes that machines share and where `flock` fails.

The file names its holder, who renews it by touching it. A file that stays untouched for
`expiry_seconds` by the observer's own clock (clocks of two machines differ) may be taken over.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from weights.volume.disk import disk_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

RENEWALS_PER_EXPIRY = 6
"""How often a holder renews its file within the time after which it would expire."""


def _machine_id() -> str:
    """Identify the machine; all containers of one kernel are one machine, as for `flock`."""
    if sys.platform != "linux":
        return platform.node()
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return uuid4().hex


MACHINE_ID = _machine_id()


@dataclass(frozen=True)
class _Holder:
    """The content of the file. The nonce is empty while the file is."""

    nonce: str
    machine: str
    mtime_ns: int


class LeaseLock:
    """The mutex of one file. `flocked`: no other live process of this machine can hold it.

    It is true while held; a holder that was suspended for too long finds it lost.
    """

    def __init__(self, path: Path, *, expiry_seconds: float, flocked: bool) -> None:
        self._path = path
        self._expiry_seconds = expiry_seconds
        self._flocked = flocked
        self._nonce = uuid4().hex
        self._last_seen: tuple[_Holder | None, float] = (None, 0.0)
        self._held = False
        self._released = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name="weights-lease-lock", daemon=True)

    def __bool__(self) -> bool:
        return self._held

    def try_acquire(self) -> bool:
        """Acquire the lock if it is free or its holder is dead."""
        with disk_errors(self._path.parent):
            self._held = self._create(self._path) or self._take_over()
        if self._held:
            self._renewer.start()
        return self._held

    def release(self) -> None:
        """Release the lock if it is still held."""
        if not self._held:
            return
        self._released.set()
        self._renewer.join(timeout=self._expiry_seconds)
        self._held = False
        with suppress(OSError), self._claimed(self._nonce) as claimed:
            if claimed:
                self._path.unlink()

    def _create(self, path: Path) -> bool:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                json.dump({"nonce": self._nonce, "machine": MACHINE_ID, "pid": os.getpid()}, file)
        except OSError:
            path.unlink()
            raise
        return True

    def _take_over(self) -> bool:
        holder = self._read()
        if holder is None or not self._is_dead(holder):
            return False
        with self._claimed(holder.nonce) as claimed:
            if not claimed:
                return False
            self._path.unlink()
            return self._create(self._path)

    def _is_dead(self, holder: _Holder) -> bool:
        """Whether the holder was on this machine (a live one would hold the flock), or expired."""
        if self._flocked and holder.machine == MACHINE_ID:
            return True
        now = time.monotonic()
        if holder != self._last_seen[0]:
            self._last_seen = holder, now
        return now - self._last_seen[1] > self._expiry_seconds

    def _read(self) -> _Holder | None:
        """Read the file. Opening it makes a network file system ask its server."""
        try:
            with self._path.open("rb") as file:
                text, mtime = file.read(), os.fstat(file.fileno()).st_mtime_ns
        except FileNotFoundError:
            return None
        try:
            content = json.loads(text)
            return _Holder(content["nonce"], content["machine"], mtime)
        except (ValueError, KeyError, TypeError):
            return _Holder("", "", mtime)

    @contextmanager
    def _claimed(self, nonce: str) -> Iterator[bool]:
        """Hold the exclusive right to remove the file with that nonce, if it still exists."""
        claim = self._path.with_name(f"{self._path.name}.{nonce or 'blank'}")
        if not self._create(claim):
            self._remove_stale(claim)
            yield False
            return
        try:
            holder = self._read()
            yield holder is not None and holder.nonce == nonce
        finally:
            claim.unlink(missing_ok=True)

    def _remove_stale(self, claim: Path) -> None:
        """Remove the claim of a process that was killed while it held the claim."""
        with suppress(FileNotFoundError):
            if time.time() - claim.stat().st_mtime > 2 * self._expiry_seconds:
                claim.unlink()

    def _renew(self) -> None:
        while not self._released.wait(self._expiry_seconds / RENEWALS_PER_EXPIRY):
            with suppress(OSError):  # a missed renewal; a new holder would write another nonce
                holder = self._read()
                if holder is None or holder.nonce != self._nonce:
                    self._held = False
                    return
                os.utime(self._path)
