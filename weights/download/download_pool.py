"""Threads that fetch ranges of several files under one budget of connections."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from weights.download.download_plan import Parts
from weights.errors import PullStopped, RemoteChanged, SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weights.download.download_plan import Part
    from weights.download.limits import Limits
    from weights.download.partial import Partial
    from weights.download.retry import Patience
    from weights.sources.base import Remote, Source

BUFFER_BYTES = 2 * 1024 * 1024
GRAIN_BYTES = 2 * 1024 * 1024
"""After so many bytes of a part the journal hears of them: what a SIGKILL costs at most, each."""
GRAIN_SECONDS = 1.0
"""Or after this time, where bytes come slowly."""
STEP_BYTES = 1024 * 1024
"""After so many bytes in order the digest is told."""
BITE_BYTES = 16 * 1024 * 1024
"""So much is hashed at a time."""
MOST_BACKLOG = 128 * 1024 * 1024
"""No part is begun while more than this waits to be hashed: else fetching would take the
processor from hashing, which then would go on alone for as long again."""
LEAST_BYTES = 64 * 1024
"""A connection that brings less than this in the stall's seconds is as good as stalled."""
POLL_SECONDS = 0.1
"""How soon a thread without work sees a stop, or a wait that is over."""


class Fetch:
    """One file on its way from one source. The threads of a crew take its parts."""

    def __init__(
        self, source: Source, remote: Remote, partial: Partial, patience: Patience, crew: Crew
    ) -> None:
        limits = crew.limits
        self.remote = remote
        self.received = 0
        self._source = source
        self._partial = partial
        self._patience = patience
        self._limits = limits
        self._halt = crew.halt
        self._changed = crew.changed
        self._grown = threading.Condition(crew.lock)
        self._told = self._hashed = 0
        self._silent_since = 0.0
        self._width = limits.connections
        self._fault: Exception | None = None
        self._parts = Parts(
            remote.size_bytes,
            limits.part_bytes,
            partial.have,
            connections=limits.connections,
            whole=not remote.ranges,
        )
        self._begun_at = self._parts.frontier

    @property
    def done_bytes(self) -> int:
        """Bytes of the file that are there."""
        return self._parts.done_bytes

    def take(self, now: float) -> Part | None:
        """Give out a part that waits, unless the source is to be left in peace."""
        return self._parts.take(now) if self._may_ask(now) else None

    def share(self, now: float) -> Part | None:
        """Give out a share of a part that is late."""
        return self._parts.share(now) if self._may_ask(now) else None

    def bring(self, part: Part, buffer: memoryview) -> None:
        """Fetch a part; what is missing of it afterwards waits again. Raises nothing."""
        start = part.at
        try:
            self._receive(part, buffer)
        except SourceUnavailable as error:
            self._put_off(error, came=part.at > start)
        except PullStopped:
            pass
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits for the file
            self.fail(error)
        finally:
            with self._changed:
                self._parts.give_back(part)
                self._changed.notify()

    def frontier(self, at: int) -> int:
        """Wait until bytes behind `at` are there, in order; return how far. Raises what failed.

        All before `at` is hashed by then.
        """
        with self._grown:
            if self._backlog > MOST_BACKLOG:
                self._changed.notify_all()
            self._hashed = at
            while not self._far_enough(at):
                self._grown.wait(POLL_SECONDS)
                self._check(time.monotonic())
            self._check(time.monotonic())
            return min(self._parts.frontier, at + BITE_BYTES)

    def fail(self, error: Exception) -> None:
        """End it with an error, which is raised where the file is waited for."""
        with self._changed:
            self._fault = self._fault or error
            self._grown.notify()

    def settle(self, seconds: float) -> None:
        """Give the threads a moment to write down how far they are."""
        with self._changed:
            self._changed.wait_for(lambda: not self._parts.coming, seconds)

    @property
    def _backlog(self) -> int:
        """Bytes that came in order and wait to be hashed; what an earlier pull left is no debt."""
        return self._parts.frontier - self._hashed if self._hashed >= self._begun_at else 0

    def _may_ask(self, now: float) -> bool:
        if self._backlog > MOST_BACKLOG:
            return False
        if self._fault or now < self._patience.not_before or self._parts.coming >= self._width:
            return False
        if not self._parts.coming:
            self._silent_since = now
        return True

    def _receive(self, part: Part, buffer: memoryview) -> None:
        if self._patience.failures > 1 and self._source.stat() != self.remote:
            raise RemoteChanged(f"{self._source}: says something else of the file by now")
        noted, since = part.at, time.monotonic()
        try:
            with self._source.open(self.remote, part.at, part.end) as body:
                pace = _Pace(self._limits.stall_seconds, time.monotonic())
                while part.left > 0:
                    count = body.readinto(buffer[: part.left])
                    if not count:
                        raise SourceUnavailable(f"{self._source}: cut the line")
                    self._keep(part, buffer[:count])
                    now = time.monotonic()
                    if part.at - noted >= GRAIN_BYTES or now - since >= GRAIN_SECONDS:
                        noted, since = self._note(noted, part.at), now
                    pace.came(count, now)
            with self._changed:
                self._width = min(self._width + 1, self._limits.connections)
        finally:
            with suppress(PullStopped):
                self._note(noted, part.at)

    def _keep(self, part: Part, piece: memoryview) -> None:
        """Write what came, also of bytes that another has taken over meanwhile: they are equal."""
        if self._halt.is_set():
            raise PullStopped("told to stop")
        self._partial.write(piece, part.at)
        with self._changed:
            self.received += len(piece)
            self._parts.wrote(part, len(piece))
            self._patience.progressed()
            self._silent_since = time.monotonic()
            frontier = self._parts.frontier
            if frontier - self._told >= STEP_BYTES or self._parts.complete:
                self._told = frontier
                self._grown.notify()

    def _note(self, start: int, end: int) -> int:
        if start < end and self.remote.ranges:
            self._partial.note((start, end))
        return end

    def _put_off(self, error: SourceUnavailable, *, came: bool) -> None:
        """Ask later; and with fewer connections, if others get on while this one was refused."""
        with self._changed:
            others = self._parts.coming - 1
            if not came and others > 0:
                self._width = others
            try:
                self._patience.failed(error, time.monotonic())
            except SourceUnavailable:
                self._fault = self._fault or error

    def _far_enough(self, at: int) -> bool:
        return self._parts.complete or self._parts.frontier >= at + STEP_BYTES

    def _check(self, now: float) -> None:
        if self._halt.is_set():
            raise PullStopped("told to stop; the next pull goes on from here")
        if self._fault:
            raise self._fault
        silent = now - self._silent_since
        if self._parts.coming and silent > self._limits.patience_seconds:
            raise SourceUnavailable(f"{self._source}: nothing came for {silent:.0f} s")


class Crew:
    """As many threads as there may be connections; the first file that has work gets the next."""

    def __init__(self, limits: Limits, halt: threading.Event) -> None:
        self.limits = limits
        self.halt = halt
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self._fetches: list[Fetch] = []

    def start(self) -> None:
        """Start the threads. They end after `halt`; one that waits for a source is not joined."""
        for number in range(self.limits.connections):
            threading.Thread(target=self._work, name=f"weights-{number}", daemon=True).start()

    @contextmanager
    def on(self, fetch: Fetch) -> Iterator[None]:
        """Have the threads work on a file."""
        with self.changed:
            self._fetches.append(fetch)
            self.changed.notify_all()
        try:
            yield
        finally:
            with self.changed:
                self._fetches.remove(fetch)

    def _work(self) -> None:
        buffer = memoryview(bytearray(BUFFER_BYTES))
        while not self.halt.is_set():
            with self.changed:
                found = self._next(time.monotonic())
                if found is None:
                    self.changed.wait(POLL_SECONDS)
                    continue
            fetch, part = found
            fetch.bring(part, buffer)

    def _next(self, now: float) -> tuple[Fetch, Part] | None:
        for fetch in self._fetches:
            part = fetch.take(now)
            if part:
                return fetch, part
        for fetch in self._fetches:
            part = fetch.share(now)
            if part:
                return fetch, part
        return None


class _Pace:
    """Tells a connection that brings next to nothing."""

    def __init__(self, stall_seconds: float, now: float) -> None:
        self._stall_seconds = stall_seconds
        self._since = now
        self._bytes = 0

    def came(self, count: int, now: float) -> None:
        """Raise `SourceUnavailable` when too little came for too long."""
        self._bytes += count
        if self._bytes >= LEAST_BYTES:
            self._since, self._bytes = now, 0
        elif now - self._since > self._stall_seconds:
            raise SourceUnavailable("a connection brought next to nothing")
