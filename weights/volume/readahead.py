"""Reads weights into the page cache, in order and in large chunks, before a loader maps them.

A loader that maps a file reads it one page fault at a time. With a cold cache that leaves much of
the disk's bandwidth unused if the kernel reads little ahead (usually 128 KiB) or latency is high.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

THREADS = 4
SPAN_BYTES = 16 * 1024 * 1024
"""Small, so that the threads together read a file from front to back, as a loader does."""
READ_BYTES = 4 * 1024 * 1024
_MEMINFO = Path("/proc/meminfo")


class Span(NamedTuple):
    """A range of a file that one thread reads."""

    path: Path
    start: int
    end: int


def read_ahead(
    paths: Iterable[Path],
    stop: threading.Event | None = None,
    report: Callable[[int, int], object] | None = None,
) -> int:
    """Read files, or all files of folders, into the page cache; return the number of bytes.

    `report` receives bytes done and total bytes. Reading ends where free memory ends; unreadable
    files are skipped, and the loader will report them.
    """
    spans = _spans(paths, _free_bytes())
    ahead = _ReadAhead(spans, stop or threading.Event(), report or _ignore)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="weights-ahead") as pool:
        for worker in [pool.submit(ahead.work) for _ in range(THREADS)]:
            worker.result()
    return ahead.done


@contextmanager
def reading_ahead(paths: Iterable[Path]) -> Iterator[None]:
    """Read ahead in a thread while the block runs."""
    stop = threading.Event()
    reader = threading.Thread(
        target=read_ahead, args=(list(paths), stop), name="weights-ahead", daemon=True
    )
    reader.start()
    try:
        yield
    finally:
        stop.set()
        reader.join()


class _ReadAhead:
    """Spans that several threads take in order."""

    def __init__(
        self, spans: list[Span], stop: threading.Event, report: Callable[[int, int], object]
    ) -> None:
        self.done = 0
        self._total = sum(span.end - span.start for span in spans)
        self._spans = iter(spans)
        self._stop = stop
        self._report = report
        self._lock = threading.Lock()

    def work(self) -> None:
        buffer = memoryview(bytearray(READ_BYTES))
        while span := self._next():
            with suppress(OSError), span.path.open("rb", buffering=0) as file:
                self._read(file.fileno(), span, buffer)

    def _next(self) -> Span | None:
        with self._lock:
            return next(self._spans, None)

    def _read(self, handle: int, span: Span, buffer: memoryview) -> None:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, span.start, span.end - span.start, os.POSIX_FADV_WILLNEED)
        at = span.start
        while at < span.end and not self._stop.is_set():
            count = os.preadv(handle, [buffer[: span.end - at]], at)
            if not count:
                return
            at += count
            self._count(count)

    def _count(self, count: int) -> None:
        with self._lock:
            self.done += count
            self._report(self.done, self._total)


def _spans(paths: Iterable[Path], free_bytes: int) -> list[Span]:
    spans: list[Span] = []
    for path in _files(paths):
        size = path.stat().st_size
        for start in range(0, size, SPAN_BYTES):
            span = Span(path, start, min(start + SPAN_BYTES, size))
            free_bytes -= span.end - span.start
            if free_bytes < 0:
                return spans
            spans.append(span)
    return spans


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield regular files, each once, with links resolved."""
    found: dict[Path, None] = {}
    for path in paths:
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        found.update(dict.fromkeys(file.resolve() for file in below if file.is_file()))
    return iter(found)


def _free_bytes() -> int:
    """Memory available to the page cache, by the kernel and by the container's limit."""
    limits = [_available_bytes(), _cgroup_limit_bytes()]
    return min((limit for limit in limits if limit is not None), default=2**63)


def _available_bytes() -> int | None:
    with suppress(OSError, ValueError, LookupError):  # an old kernel lacks the field
        lines = _MEMINFO.read_text("ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return int(fields["MemAvailable"].split()[0]) * 1024
    return None


def _cgroup_limit_bytes() -> int | None:
    with suppress(OSError, ValueError):
        return int(Path("/sys/fs/cgroup/memory.max").read_text("ascii"))
    return None


def _ignore(_done: int, _total: int) -> None:
    pass
