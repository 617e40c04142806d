"""Checks of this machine: disk space, file descriptors, GPUs."""

from __future__ import annotations

import resource
import shutil
import subprocess
from typing import TYPE_CHECKING

from cli.doctor.check import fail, ok, warn
from runtime.files import is_full, try_write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli.doctor.check import CheckResult

GB = 1_000_000_000
WARN_BYTES = 10 * GB
FAIL_BYTES = 1 * GB
MIN_OPEN_FILES = 1024
MIN_DRIVER = 580
"""The wheels of torch 2.13 are built for CUDA 13, which needs this driver."""
SMI_TIMEOUT_SECONDS = 10.0


def check_disk(name: str, folder: Path) -> Iterator[CheckResult]:
    """Check the free space on the disk of a folder, which need not exist yet."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / GB:.1f} GB free at {folder}"
    if free < FAIL_BYTES:
        yield fail(name, detail, "free some space: jobs fail with disk_full")
    elif free < WARN_BYTES:
        yield warn(name, detail, "free some space")
    else:
        yield ok(name, detail)


def check_scratch(folder: Path) -> Iterator[CheckResult]:
    """Check that the folder for temporary files can be written, and the free space there."""
    try:
        try_write(folder)
    except OSError as error:
        if not is_full(error):
            remedy = "give the programs a folder that they may write: KINOMILL_SCRATCH"
            yield fail("scratch disk", f"{folder} cannot be written: {error}", remedy)
            return
    yield from check_disk("scratch disk", folder)


def check_open_files() -> Iterator[CheckResult]:
    """Check how many files a process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        yield ok("open files", "no limit")
    elif soft < MIN_OPEN_FILES:
        detail = f"at most {soft} (could be raised to {hard})"
        yield warn(
            "open files", detail, f"run ulimit -n {MIN_OPEN_FILES}, or set LimitNOFILE= in systemd"
        )
    else:
        yield ok("open files", f"at most {soft}")


def check_gpus(per_worker: int = 1) -> Iterator[CheckResult]:
    """Check the NVIDIA GPUs, their driver, and that workers of several GPUs use all of them."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        yield ok("GPU", "no NVIDIA driver: only models that need no GPU run here")
        return
    query = "--query-gpu=name,memory.total,driver_version"
    smi_run = subprocess.run(
        [smi, query, "--format=csv,noheader"],
        capture_output=True,
        text=True,
        timeout=SMI_TIMEOUT_SECONDS,
        check=False,
    )
    lines = [line.strip() for line in smi_run.stdout.splitlines() if line.strip()]
    if smi_run.returncode or not lines:
        output = (smi_run.stderr.strip() or smi_run.stdout.strip() or "no GPU").splitlines()[0]
        yield warn("GPU", f"nvidia-smi: {output}", "check the installation of the driver")
        return
    yield from _driver(lines)
    if len(lines) % per_worker:
        yield warn(
            "GPU",
            f"{len(lines)} GPUs are no multiple of {per_worker}: `--gpus all` is refused",
            "name a multiple with KINOMILL_GPUS, or change KINOMILL_GPUS_PER_WORKER",
        )


def _driver(lines: list[str]) -> Iterator[CheckResult]:
    gpus = [line.rpartition(", ") for line in lines]
    names = "; ".join(gpu for gpu, _, _ in gpus)
    version = gpus[0][2]
    detail = f"driver {version}: {names}"
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) < MIN_DRIVER:
        yield warn("GPU", detail, f"install driver {MIN_DRIVER} or newer, for CUDA 13")
    else:
        yield ok("GPU", detail)
