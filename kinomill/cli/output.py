"""What commands print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinomill.jobs import Job


def say(text: str) -> None:
    """Print a line of output."""
    print(text)  # noqa: T201 - the output of the command


def print_json(value: Any) -> None:
    """Print a value for programs."""
    say(json.dumps(value, indent=2, ensure_ascii=False))


def short_path(path: Path) -> str:
    """The path, relative to the current folder if it is inside."""
    folder = Path.cwd()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def summary(job: Job, path: Path) -> str:
    """Describe a saved video: where it is, its size and length, and how long it took."""
    rows = [("video", short_path(path))]
    if job.result is not None:
        result = job.result
        rows += [
            ("picture", f"{result.width}x{result.height} at {result.fps:.5g} fps"),
            ("length", f"{result.duration_seconds:.2f} s, {result.frames} frames"),
            ("size", f"{result.size_bytes / 1000:.0f} kB"),
        ]
    rows.append(("took", f"{sum(job.timings.values()):.1f} s"))
    return "\n".join(f"{name:<7}  {text}" for name, text in rows)
