"""This machine: space on its disks, file descriptors, graphics cards."""

from __future__ import annotations

import resource
import shutil
import subprocess
from typing import TYPE_CHECKING

from cli.doctor.finding import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli.doctor.finding import Finding

GB = 1_000_000_000
WARN_BYTES = 10 * GB
FAIL_BYTES = 1 * GB
FEWEST_FILES = 1024
OLDEST_DRIVER = 580
"""The wheels of torch 2.13 are made for CUDA 13, which needs this driver."""
SMI_SECONDS = 10.0


def disk(name: str, folder: Path) -> Iterator[Finding]:
    """Look at the space where a folder is, or will be."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / GB:.1f} GB free at {folder}"
    if free < FAIL_BYTES:
        yield fail(name, found, "free some space: jobs fail with disk_full")
    elif free < WARN_BYTES:
        yield warn(name, found, "free some space before it is used up")
    else:
        yield ok(name, found)


def files() -> Iterator[Finding]:
    """Look at how many files a process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        yield ok("open files", "no limit")
    elif soft < FEWEST_FILES:
        found = f"at most {soft} (could be raised to {hard})"
        yield warn("open files", found, f"ulimit -n {FEWEST_FILES}, or LimitNOFILE= of systemd")
    else:
        yield ok("open files", f"at most {soft}")


def cards() -> Iterator[Finding]:
    """Look at the graphics cards and their driver."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        yield ok("GPU", "no NVIDIA driver here: models that need no GPU run")
        return
    query = "--query-gpu=name,memory.total,driver_version"
    done = subprocess.run(
        [smi, query, "--format=csv,noheader"],
        capture_output=True,
        text=True,
        timeout=SMI_SECONDS,
        check=False,
    )
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode or not lines:
        said = (done.stderr.strip() or done.stdout.strip() or "no card").splitlines()[0]
        yield warn("GPU", f"nvidia-smi: {said}", "see the driver's installation")
        return
    yield from _driver(lines)


def _driver(lines: list[str]) -> Iterator[Finding]:
    cards = [line.rpartition(", ") for line in lines]
    names = "; ".join(card for card, _, _ in cards)
    version = cards[0][2]
    found = f"driver {version}: {names}"
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) < OLDEST_DRIVER:
        yield warn("GPU", found, f"install driver {OLDEST_DRIVER} or newer, for CUDA 13")
    else:
        yield ok("GPU", found)
