"""A lock made of a file: for volumes that machines share and on which `flock` tells nothing.

The holder's file names it and is touched all the time. Whoever sees it untouched for `silence`
seconds of its own clock (clocks of two machines differ) takes the lease over.
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

BEATS = 6
"""How often a holder touches its file within the silence that would cost it the lease."""


def _machine() -> str:
    """Tell machines apart; all containers of one kernel are one machine, as for `flock`."""
    if sys.platform != "linux":
        return platform.node()
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return uuid4().hex


MACHINE = _machine()


@dataclass(frozen=True)
class Seen:
    """A lease as another wrote it. The nonce is empty while its file is."""

    nonce: str
    machine: str
    mtime_ns: int


class Lease:
    """One try, or many, to hold the file `path`; `alone` when no living holder is on this machine.

    Truth value: whether it is held still. A holder that slept too long finds it lost.
    """

    def __init__(self, path: Path, *, silence_seconds: float, alone: bool) -> None:
        self._path = path
        self._silence = silence_seconds
        self._alone = alone
        self._nonce = uuid4().hex
        self._seen: tuple[Seen | None, float] = (None, 0.0)
        self._held = False
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="weights-lease", daemon=True)

    def __bool__(self) -> bool:
        return self._held

    def take(self) -> bool:
        """Take the lease if it is free, or its holder dead."""
        with disk_errors(self._path.parent):
            self._held = self._create(self._path) or self._take_over()
        if self._held:
            self._beating.start()
        return self._held

    def release(self) -> None:
        """Give it back, if it is still ours."""
        if not self._held:
            return
        self._over.set()
        self._beating.join(timeout=self._silence)
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
                json.dump({"nonce": self._nonce, "machine": MACHINE, "pid": os.getpid()}, file)
        except OSError:
            path.unlink()
            raise
        return True

    def _take_over(self) -> bool:
        seen = self._look()
        if seen is None or not self._dead(seen):
            return False
        with self._claimed(seen.nonce) as claimed:
            if not claimed:
                return False
            self._path.unlink()
            return self._create(self._path)

    def _dead(self, seen: Seen) -> bool:
        """Whether the holder is on this machine, which would know it alive, or silent too long."""
        if self._alone and seen.machine == MACHINE:
            return True
        now = time.monotonic()
        if seen != self._seen[0]:
            self._seen = seen, now
        return now - self._seen[1] > self._silence

    def _look(self) -> Seen | None:
        """Read the file. Opening it makes a network file system ask its server."""
        try:
            with self._path.open("rb") as file:
                text, mtime = file.read(), os.fstat(file.fileno()).st_mtime_ns
        except FileNotFoundError:
            return None
        try:
            said = json.loads(text)
            return Seen(said["nonce"], said["machine"], mtime)
        except (ValueError, KeyError, TypeError):
            return Seen("", "", mtime)

    @contextmanager
    def _claimed(self, nonce: str) -> Iterator[bool]:
        """Hold the sole right to remove the lease of that nonce, if it is still there."""
        claim = self._path.with_name(f"{self._path.name}.{nonce or 'blank'}")
        if not self._create(claim):
            self._drop_stale(claim)
            yield False
            return
        try:
            seen = self._look()
            yield seen is not None and seen.nonce == nonce
        finally:
            claim.unlink(missing_ok=True)

    def _drop_stale(self, claim: Path) -> None:
        """Remove the claim of one that was killed in the moment of claiming."""
        with suppress(FileNotFoundError):
            if time.time() - claim.stat().st_mtime > 2 * self._silence:
                claim.unlink()

    def _beat(self) -> None:
        while not self._over.wait(self._silence / BEATS):
            with suppress(OSError):  # silent for now; who takes over leaves another nonce
                seen = self._look()
                if seen is None or seen.nonce != self._nonce:
                    self._held = False
                    return
                os.utime(self._path)
