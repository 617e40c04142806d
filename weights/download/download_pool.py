"""Threads that download ranges of several files within one limit of connections."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from weights.download.download_plan import DownloadPlan
from weights.errors import PullStopped, RemoteChanged, SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weights.download.download_plan import Part
    from weights.download.limits import PullLimits
    from weights.download.partial import Partial
    from weights.download.retry import RetryBudget
    from weights.sources.base import RemoteFile, Source

BUFFER_BYTES = 2 * 1024 * 1024
JOURNAL_FLUSH_BYTES = 2 * 1024 * 1024
"""A part is recorded in the journal after this many bytes: a SIGKILL loses at most these."""
JOURNAL_FLUSH_SECONDS = 1.0
"""Or after this time, if bytes arrive slowly."""
NOTIFY_BYTES = 1024 * 1024
"""The hashing thread is notified after this many contiguous bytes."""
HASH_CHUNK_BYTES = 16 * 1024 * 1024
"""Most bytes hashed at a time."""
MAX_UNHASHED_BYTES = 128 * 1024 * 1024
"""No part is started while more bytes than this wait to be hashed: otherwise downloading would
take the CPU from hashing, which would then run on alone for as long again."""
MIN_PROGRESS_BYTES = 64 * 1024
"""A connection that delivers less than this within `stall_seconds` counts as stalled."""
POLL_SECONDS = 0.1
"""How soon an idle thread notices a stop or the end of a backoff."""


class FileFetch:
    """The download of one file from one source. The threads of a pool take its parts."""

    def __init__(
        self,
        source: Source,
        remote: RemoteFile,
        partial: Partial,
        retry: RetryBudget,
        pool: DownloadPool,
    ) -> None:
        limits = pool.limits
        self.remote = remote
        self.received = 0
        self._source = source
        self._partial = partial
        self._retry = retry
        self._limits = limits
        self._halt = pool.halt
        self._changed = pool.changed
        self._grown = threading.Condition(pool.lock)
        self._notified = self._hashed = 0
        self._last_byte_at = 0.0
        self._max_in_flight = limits.connections
        self._error: Exception | None = None
        self._plan = DownloadPlan(
            remote.size_bytes,
            limits.part_bytes,
            partial.written,
            connections=limits.connections,
            sequential=not remote.ranges,
        )
        self._resumed_at = self._plan.contiguous_bytes

    @property
    def done_bytes(self) -> int:
        """Bytes of the file that are written."""
        return self._plan.done_bytes

    def next_part(self, now: float) -> Part | None:
        """Assign a waiting part, unless the source is in backoff."""
        return self._plan.next_part(now) if self._may_request(now) else None

    def split_slowest(self, now: float) -> Part | None:
        """Assign a piece of the slowest part."""
        return self._plan.split_slowest(now) if self._may_request(now) else None

    def fetch_part(self, part: Part, buffer: memoryview) -> None:
        """Download a part; what is missing of it afterwards is queued again. Raises nothing."""
        start = part.offset
        try:
            self._receive(part, buffer)
        except SourceUnavailable as error:
            self._back_off(error, received=part.offset > start)
        except PullStopped:
            pass
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits for the file
            self.fail(error)
        finally:
            with self._changed:
                self._plan.requeue(part)
                self._changed.notify()

    def wait_contiguous(self, offset: int) -> int:
        """Wait for contiguous bytes beyond `offset`, up to which all is hashed; return their end.

        Raises the error that ended the download.
        """
        with self._grown:
            if self._unhashed_bytes > MAX_UNHASHED_BYTES:
                self._changed.notify_all()
            self._hashed = offset
            while not self._has_grown(offset):
                self._grown.wait(POLL_SECONDS)
                self._raise_if_failed(time.monotonic())
            self._raise_if_failed(time.monotonic())
            return min(self._plan.contiguous_bytes, offset + HASH_CHUNK_BYTES)

    def fail(self, error: Exception) -> None:
        """End the download with an error, which `wait_contiguous` raises."""
        with self._changed:
            self._error = self._error or error
            self._grown.notify()

    def wait_idle(self, seconds: float) -> None:
        """Give the threads time to record in the journal what they have written."""
        with self._changed:
            self._changed.wait_for(lambda: not self._plan.in_flight, seconds)

    @property
    def _unhashed_bytes(self) -> int:
        """Contiguous bytes that wait to be hashed; those of an earlier pull do not count."""
        if self._hashed < self._resumed_at:
            return 0
        return self._plan.contiguous_bytes - self._hashed

    def _may_request(self, now: float) -> bool:
        if self._unhashed_bytes > MAX_UNHASHED_BYTES:
            return False
        in_flight = self._plan.in_flight
        if self._error or now < self._retry.not_before or in_flight >= self._max_in_flight:
            return False
        if not in_flight:
            self._last_byte_at = now
        return True

    def _receive(self, part: Part, buffer: memoryview) -> None:
        if self._retry.failures > 1 and self._source.stat() != self.remote:
            raise RemoteChanged(f"{self._source}: the file changed at the source")
        recorded, recorded_at = part.offset, time.monotonic()
        try:
            with self._source.open(self.remote, part.offset, part.end) as body:
                stall = StallDetector(self._limits.stall_seconds, time.monotonic())
                while part.left > 0:
                    count = body.readinto(buffer[: part.left])
                    if not count:
                        raise SourceUnavailable(f"{self._source}: connection closed early")
                    self._store(part, buffer[:count])
                    now = time.monotonic()
                    unrecorded = part.offset - recorded
                    if (
                        unrecorded >= JOURNAL_FLUSH_BYTES
                        or now - recorded_at >= JOURNAL_FLUSH_SECONDS
                    ):
                        recorded, recorded_at = self._record(recorded, part.offset), now
                    stall.received(count, now)
            with self._changed:
                self._max_in_flight = min(self._max_in_flight + 1, self._limits.connections)
        finally:
            with suppress(PullStopped):
                self._record(recorded, part.offset)

    def _store(self, part: Part, chunk: memoryview) -> None:
        """Write received bytes, even those another thread has taken over meanwhile: equal bytes."""
        if self._halt.is_set():
            raise PullStopped("stopped")
        self._partial.write(chunk, part.offset)
        with self._changed:
            self.received += len(chunk)
            self._plan.record_written(part, len(chunk))
            self._retry.reset()
            self._last_byte_at = time.monotonic()
            contiguous = self._plan.contiguous_bytes
            if contiguous - self._notified >= NOTIFY_BYTES or self._plan.complete:
                self._notified = contiguous
                self._grown.notify()

    def _record(self, start: int, end: int) -> int:
        if start < end and self.remote.ranges:
            self._partial.record((start, end))
        return end

    def _back_off(self, error: SourceUnavailable, *, received: bool) -> None:
        """Retry later, with fewer connections if this one was refused while others work."""
        with self._changed:
            others = self._plan.in_flight - 1
            if not received and others > 0:
                self._max_in_flight = others
            try:
                self._retry.record_failure(error, time.monotonic())
            except SourceUnavailable:
                self._error = self._error or error

    def _has_grown(self, offset: int) -> bool:
        return self._plan.complete or self._plan.contiguous_bytes >= offset + NOTIFY_BYTES

    def _raise_if_failed(self, now: float) -> None:
        if self._halt.is_set():
            raise PullStopped("stopped; the next pull resumes from here")
        if self._error:
            raise self._error
        silent = now - self._last_byte_at
        if self._plan.in_flight and silent > self._limits.retry_timeout_seconds:
            raise SourceUnavailable(f"{self._source}: no data for {silent:.0f} s")


class DownloadPool:
    """One thread per connection; each takes the next part of the first file that has one."""

    def __init__(self, limits: PullLimits, halt: threading.Event) -> None:
        self.limits = limits
        self.halt = halt
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self._fetches: list[FileFetch] = []

    def start(self) -> None:
        """Start the threads. They end after `halt`; those waiting for a source are not joined."""
        for number in range(self.limits.connections):
            threading.Thread(target=self._work, name=f"weights-{number}", daemon=True).start()

    @contextmanager
    def working_on(self, fetch: FileFetch) -> Iterator[None]:
        """Let the threads work on a file while the block runs."""
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
                assigned = self._assign(time.monotonic())
                if assigned is None:
                    self.changed.wait(POLL_SECONDS)
                    continue
            fetch, part = assigned
            fetch.fetch_part(part, buffer)

    def _assign(self, now: float) -> tuple[FileFetch, Part] | None:
        for fetch in self._fetches:
            part = fetch.next_part(now)
            if part:
                return fetch, part
        for fetch in self._fetches:
            part = fetch.split_slowest(now)
            if part:
                return fetch, part
        return None


class StallDetector:
    """Detects a connection that delivers almost nothing."""

    def __init__(self, stall_seconds: float, now: float) -> None:
        self._stall_seconds = stall_seconds
        self._since = now
        self._bytes = 0

    def received(self, count: int, now: float) -> None:
        """Raise `SourceUnavailable` after less than `MIN_PROGRESS_BYTES` in `stall_seconds`."""
        self._bytes += count
        if self._bytes >= MIN_PROGRESS_BYTES:
            self._since, self._bytes = now, 0
        elif now - self._since > self._stall_seconds:
            raise SourceUnavailable(f"a connection stalled for {self._stall_seconds:g} s")
