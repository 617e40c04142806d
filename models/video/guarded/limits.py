"""Limits that a process which decodes a file sets itself first: a header can promise less than the
decoder will make of it."""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path
from typing import Final

CRASHES: Final = frozenset(
    -number
    for number in (
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE),
        signal.SIGXCPU,
    )
)
"""Ends of a decoder that the file caused: by a fault of its library, or the time limit."""


def limit_process(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Limit this process to so much time, and to so much memory on top of what it has.

    Memory only on Linux: macOS does not enforce it. A lower limit of the operator stays.
    """
    _limit(resource.RLIMIT_CPU, cpu_seconds)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + memory_bytes)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (limit, limit))
