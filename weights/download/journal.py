"""What of a partial file is there, in a small file beside it that only grows.

    {"size": 8000, "of": "…"}      first line: the content that the partial belongs to
    boot 5c0f…                     what follows was written on this machine since it started
    have 0 4096                    these bytes were written
    safe 57                        what stands before byte 57 of the journal is on the disk

After SIGKILL the kernel still has what was written: as long as the machine has not started anew,
every `have` is true. After a loss of power only what was made safe counts.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weights.download.download_plan import gaps
from weights.volume.lease_lock import MACHINE

if TYPE_CHECKING:
    from pathlib import Path

    from weights.download.download_plan import Range


@dataclass(frozen=True)
class Content:
    """What a partial will become: bytes that were begun for another are of no use."""

    size: int
    of: str
    """Its digest; where nobody knows that, its source and the validator there."""


def path_of(partial: Path) -> Path:
    """The journal of a partial."""
    return partial.with_suffix(".journal")


def read(partial: Path, *, boot: str = MACHINE) -> tuple[Content | None, list[Range]]:
    """Which content was begun, and what of it can be trusted to be there."""
    try:
        text = path_of(partial).read_bytes()
        found = partial.stat().st_size
    except OSError:
        return None, []
    lines = _Lines(text)
    if lines.content is None or lines.content.size != found:
        return None, []
    return lines.content, [have for have in lines.trusted(boot) if have[1] <= found]


def done_bytes(partial: Path) -> int:
    """How much of a file is there: for those who watch another process fetch it."""
    content, have = read(partial)
    if content is None:
        return 0
    return content.size - sum(end - start for start, end in gaps(content.size, have))


class Journal:
    """Open for growing, by the one who holds the file's lock."""

    def __init__(self, partial: Path, content: Content, *, boot: str = MACHINE) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._handle = os.open(path_of(partial), flags, 0o666)
        head = json.dumps({"size": content.size, "of": content.of})
        # a new line first: the one before it may be torn
        self._append(f"\nboot {boot}\n" if self.mark() else f"{head}\nboot {boot}\n")

    def mark(self) -> int:
        """The place up to which the journal is written: all it says there was written before."""
        return os.fstat(self._handle).st_size

    def have(self, start: int, end: int) -> None:
        """Say that these bytes are written."""
        self._append(f"have {start} {end}\n")

    def safe(self, mark: int) -> None:
        """Say that all is on the disk that was said up to the mark."""
        self._append(f"safe {mark}\n")
        os.fdatasync(self._handle)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)

    def _append(self, text: str) -> None:
        os.write(self._handle, text.encode())


@dataclass
class _Lines:
    """A journal as it was read; lines that make no sense are passed over."""

    text: bytes
    content: Content | None = None
    haves: list[tuple[int, str, Range]] = field(default_factory=list)
    boot: str = ""
    safe: int = 0

    def __post_init__(self) -> None:
        head, _, _ = self.text.partition(b"\n")
        with suppress(ValueError, TypeError):
            self.content = Content(**json.loads(head))
        at = 0
        for line in self.text.splitlines(keepends=True):
            if line.endswith(b"\n"):
                with suppress(ValueError):
                    self._take(at, line.decode().split())
            at += len(line)

    def trusted(self, boot: str) -> list[Range]:
        return [have for at, came, have in self.haves if at < self.safe or came == boot]

    def _take(self, at: int, words: list[str]) -> None:
        match words:
            case ["boot", boot]:
                self.boot = boot
            case ["have", start, end] if 0 <= int(start) < int(end):
                self.haves.append((at, self.boot, (int(start), int(end))))
            case ["safe", mark] if int(mark) <= at:
                self.safe = max(self.safe, int(mark))
