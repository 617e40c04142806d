"""What commands print."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinomill.job_parts import Result
    from kinomill.jobs import Job


def say(text: str) -> None:
    """Print a line of output; to a terminal, without what would control it."""
    shown = printable(text, keep="\n\t") if sys.stdout.isatty() else text
    print(shown)  # noqa: T201 - the output of the command


def printable(text: str, *, keep: str = "") -> str:
    r"""The text with escapes (`\x1b`) for characters that control a terminal, but those of `keep`.

    Labels, errors and names come from other people: they must neither move the cursor nor reverse
    the direction of what follows.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in keep else one.encode("unicode_escape").decode()
        for one in text
    )


def print_json(value: Any) -> None:
    """Print a value for programs."""
    say(json.dumps(value, indent=2, ensure_ascii=False))


def short_path(path: Path) -> str:
    """The path, relative to the current folder if it is inside."""
    folder = Path.cwd()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def command_name() -> str:
    """`kinomill` as a shell in this folder starts it: by its path, unless it is on PATH."""
    own, found = Path(sys.argv[0]), shutil.which("kinomill")
    if own.name != "kinomill" or (found is not None and own.samefile(found)):
        return "kinomill"
    return shlex.quote(short_path(own.absolute()))


def summary(job: Job, path: Path) -> str:
    """Describe a saved result: where it is, its size and length, and how long it took."""
    kind = "file" if job.result is None else job.result.content_type.partition("/")[0]
    rows = [("video" if kind == "video" else "saved", short_path(path))]
    if job.result is not None:
        rows += _details(job.result)
    rows.append(("took", f"{sum(job.timings.values()):.1f} s"))
    return "\n".join(f"{name:<7}  {text}" for name, text in rows)


def _details(result: Result) -> Iterator[tuple[str, str]]:
    picture = f"{result.width}x{result.height}"
    if result.fps is not None:
        picture += f" at {result.fps:.5g} fps"
    yield "picture", picture
    if not result.content_type.startswith("video/"):
        yield "type", result.content_type
    if result.duration_seconds is not None:
        yield "length", f"{result.duration_seconds:.2f} s, {result.frames} frames"
    yield "size", f"{result.size_bytes / 1000:.0f} kB"
