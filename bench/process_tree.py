"""CPU time and memory of a process with all its descendants, from /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def process_tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    children = [
        int(child)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for child in _read(path).split()
    ]
    return [pid, *(below for child in children for below in process_tree(child))]


def cpu_seconds(pid: int) -> float:
    """CPU time of one process."""
    return sum(_times(pid)[:2]) / TICKS


def tree_cpu_seconds(pid: int) -> float:
    """CPU time of a process and its descendants, with those that ended and were waited for."""
    return sum(sum(_times(one)) for one in process_tree(pid)) / TICKS


def resident_mb(pids: list[int]) -> float:
    """Resident memory of these processes in MB."""
    pages = sum(int((_read(Path(f"/proc/{pid}/statm")) or "0 0").split()[1]) for pid in pids)
    return round(pages * PAGE / 1e6, 1)


def _times(pid: int) -> list[int]:
    """User and system time in ticks: of the process, then of its children that ended."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return [int(field) for field in fields[11:15]]


def _read(path: Path) -> str:
    """The content of a file; empty if its process has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return path.read_text()
    return ""
