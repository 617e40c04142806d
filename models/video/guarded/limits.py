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
    for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
)
"""Ends of a decoder by a fault of its library, which the file caused."""
OUT_OF_TIME: Final = -signal.SIGXCPU
"""The end of a decoder by the limit of its time."""

_GRACE_SECONDS: Final = 5
"""At the hard limit Linux kills without a word, as it does when the memory of the machine ends."""


def limit_process(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Limit this process to so much time, and to so much memory on top of what it has.

    Memory only on Linux: macOS does not enforce it. A lower limit of the operator stays.
    """
    hard = _within(resource.RLIMIT_CPU, cpu_seconds + _GRACE_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (max(min(cpu_seconds, hard - 1), 1), hard))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = _within(resource.RLIMIT_AS, pages * resource.getpagesize() + memory_bytes)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _within(kind: int, value: int) -> int:
    """The value, or the hard limit that this process has, if that is lower."""
    _, hard = resource.getrlimit(kind)
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
