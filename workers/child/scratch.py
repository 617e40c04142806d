"""The folder in which a running attempt keeps its files, removed when the attempt ends."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import temporary_folder
from runtime.files import lock_folder, scratch_errors
from runtime.temporary_folder import MIN_AGE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "kinomill-attempt-"

_last_sweeps: dict[Path, float] = {}


@contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """Yield a private folder. If this process is killed, a later attempt removes it.

    Raises `ScratchUnwritable`, or `OSError` for a full disk.
    """
    with ExitStack() as stack:
        with scratch_errors():
            _sweep_once_a_minute(root)
            name = stack.enter_context(
                tempfile.TemporaryDirectory(prefix=PREFIX, dir=root, ignore_cleanup_errors=True)
            )
            stack.callback(os.close, lock_folder(Path(name)))
        yield Path(name)


def _sweep_once_a_minute(root: Path) -> None:
    """Sweep before the first attempt of this process, and later only if new folders can be old."""
    if time.monotonic() - _last_sweeps.get(root, float("-inf")) >= MIN_AGE_SECONDS:
        _last_sweeps[root] = time.monotonic()
        sweep(root)


def sweep(root: Path, *, now: float | None = None) -> list[str]:
    """Remove the folders of killed processes. Returns their names."""
    return temporary_folder.sweep(root, PREFIX, now=now)
