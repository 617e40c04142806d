"""Weights brought into the page cache in big pieces, in order, before they are mapped.

A loader that maps a file takes its pages one fault after the other; on a cold cache that leaves
much of a disk unused whose kernel reads little ahead (128 KiB as a rule) or that is far away.
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
"""Small, so that the threads together go through a file as a loader does: from front to back."""
READ_BYTES = 4 * 1024 * 1024


class Span(NamedTuple):
    """A part of a file that one thread reads."""

    path: Path
    start: int
    end: int


def read_ahead(
    paths: Iterable[Path],
    stop: threading.Event | None = None,
    report: Callable[[int, int], object] | None = None,
) -> int:
    """Read files, or all files of folders, into the page cache; return how many bytes.

    `report` hears of bytes done and of bytes in all. What the memory cannot keep is not read, and
    a file that cannot be read is left to the loader to complain of.
    """
    spans = _spans(paths, _room_bytes())
    ahead = _Ahead(spans, stop or threading.Event(), report or _ignore)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="weights-ahead") as pool:
        for worker in [pool.submit(ahead.work) for _ in range(THREADS)]:
            worker.result()
    return ahead.done


@contextmanager
def reading_ahead(paths: Iterable[Path]) -> Iterator[None]:
    """Read ahead for as long as the block runs: the loader in it follows the disk's pace."""
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


class _Ahead:
    """Spans that several threads take one after the other, in order."""

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


def _spans(paths: Iterable[Path], room_bytes: int) -> list[Span]:
    spans: list[Span] = []
    for path in _files(paths):
        size = path.stat().st_size
        for start in range(0, size, SPAN_BYTES):
            span = Span(path, start, min(start + SPAN_BYTES, size))
            room_bytes -= span.end - span.start
            if room_bytes < 0:
                return spans
            spans.append(span)
    return spans


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """Regular files, each once, whatever links lead there."""
    found: dict[Path, None] = {}
    for path in paths:
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        found.update(dict.fromkeys(file.resolve() for file in below if file.is_file()))
    return iter(found)


def _room_bytes() -> int:
    """Memory that the page cache may take, as the kernel and the container's limit say."""
    rooms = [_available_bytes(), _limit_bytes()]
    return min((room for room in rooms if room is not None), default=2**63)


def _available_bytes() -> int | None:
    with suppress(OSError, ValueError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return int(fields.get("MemAvailable", "").split()[0]) * 1024
    return None


def _limit_bytes() -> int | None:
    with suppress(OSError, ValueError):
        return int(Path("/sys/fs/cgroup/memory.max").read_text("ascii"))
    return None


def _ignore(_done: int, _total: int) -> None:
    pass
