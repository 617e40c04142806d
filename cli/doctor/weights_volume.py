"""Checks of the weights volume of this machine: it can be written, and has space."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cli.doctor.check import fail, ok
from cli.doctor.machine import check_disk
from weights.settings import WeightsSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli.doctor.check import CheckResult


def check() -> Iterator[CheckResult]:
    """Write a file into the volume, or into the folder in which it would be created."""
    try:
        volume = WeightsSettings().weights
    except ValidationError:
        return  # the check of the settings says so
    existing = next(path for path in (volume, *volume.absolute().parents) if path.exists())
    yield _writable(volume, existing)
    yield from check_disk("weights disk", volume)


def _writable(volume: Path, existing: Path) -> CheckResult:
    try:
        with tempfile.TemporaryFile(dir=existing, prefix=".kinomill-doctor-") as file:
            file.write(b"written by kinomill doctor")
            file.flush()
    except OSError as error:
        return fail(
            "weights volume",
            f"{volume}: {error.strerror}",
            "let this user write there, or set KINOMILL_WEIGHTS: no weights can be downloaded",
        )
    return ok(
        "weights volume", f"{volume}: can be written" if volume.exists() else f"{volume}: new"
    )
