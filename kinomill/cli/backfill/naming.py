"""The file name of a row's result, and saving it without replacing the file of another job."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kinomill.jobs import Job

MAX_NAME_BYTES: Final = 200
"""File systems allow 255; the rest is for an extension, the id of a job and a partial file."""
_FORBIDDEN: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
"""Characters that a file name may not have on one of Linux, macOS, Windows."""


def default_name(number: int) -> str:
    """The name of a row's result: its number."""
    return f"{number:06}"


def name_error(name: str) -> str | None:
    """What is wrong with a name from the rows file: it may not leave the folder."""
    if not name:
        return "names the result, and is empty"
    if _FORBIDDEN.search(name) or name.startswith((".", " ", "-")) or name.endswith((".", " ")):
        return f"{name[:60]!r} is not a file name: use letters, digits, spaces and . _ - inside"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"a file name has at most {MAX_NAME_BYTES} bytes"
    return None


def save(job: Job, folder: Path, name: str, download: Callable[[Path], object]) -> Path:
    """Save the result of a job as NAME.mp4, or as NAME-JOB.mp4 if that name has another one.

    The extension is that of the result, e.g. `.png`. An existing file with the content of this
    job's result is taken for it, e.g. one that was saved before a crash. Returns the path.
    """
    suffix = ".mp4" if job.result is None else job.result.suffix
    stem = name.removesuffix(suffix)
    wanted, fallback = folder / f"{stem}{suffix}", folder / f"{stem}-{job.id}{suffix}"
    for path in (wanted, fallback):
        if is_result_of(job, path):
            return path
    partial = folder / f".{job.id}{suffix}.part"
    try:
        download(partial)
        return _move_to_free_name(partial, wanted) or partial.replace(fallback)
    finally:
        partial.unlink(missing_ok=True)


def is_result_of(job: Job, path: Path) -> bool:
    """Whether this file holds the result of the job."""
    result = job.result
    if result is None or not path.is_file() or path.stat().st_size != result.size_bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == result.sha256


def _move_to_free_name(source: Path, target: Path) -> Path | None:
    """Rename a file unless the target exists: then return None."""
    try:
        os.link(source, target)
    except FileExistsError:
        return None
    except OSError:  # a file system without hard links
        return _claim(source, target)
    return target


def _claim(source: Path, target: Path) -> Path | None:
    try:
        target.open("xb").close()
    except FileExistsError:
        return None
    return source.replace(target)
