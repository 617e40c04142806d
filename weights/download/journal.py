"""The append-only journal beside a partial file: which of its ranges are written.

    {"size": 8000, "content": "…"}  first line: the content that the partial file belongs to
    boot 5c0f…                      the following lines were written on this machine since its boot
    written 0 4096                  these bytes were written
    synced 57                       what the journal says before its byte 57 is on disk

After SIGKILL the kernel still holds what was written: until the machine reboots, every `written`
line is true. After a power loss only lines before the last `synced` mark count.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weights.download.download_plan import missing_ranges
from weights.volume.lease_lock import MACHINE_ID

if TYPE_CHECKING:
    from pathlib import Path

    from weights.download.download_plan import Range


@dataclass(frozen=True)
class ContentId:
    """Identifies the content of a partial file: bytes of other content cannot be resumed."""

    size: int
    content: str
    """The sha256; if unknown, the source and its validator."""


def path_of(partial: Path) -> Path:
    """Return the path of a partial file's journal."""
    return partial.with_suffix(".journal")


def read(partial: Path, *, boot: str = MACHINE_ID) -> tuple[ContentId | None, list[Range]]:
    """Return the content that the partial file belongs to and the ranges certain to be there."""
    try:
        text = path_of(partial).read_bytes()
        size = partial.stat().st_size
    except OSError:
        return None, []
    lines = _Lines(text)
    if lines.content is None or lines.content.size != size:
        return None, []
    return lines.content, [written for written in lines.trusted(boot) if written[1] <= size]


def done_bytes(partial: Path) -> int:
    """Return how many bytes are there, for processes that wait while another one downloads."""
    content, written = read(partial)
    if content is None:
        return 0
    return content.size - sum(end - start for start, end in missing_ranges(content.size, written))


class Journal:
    """A journal open for appending, by the holder of the file's lock."""

    def __init__(self, partial: Path, content: ContentId, *, boot: str = MACHINE_ID) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._handle = os.open(path_of(partial), flags, 0o666)
        head = json.dumps({"size": content.size, "content": content.content})
        # begins with a newline: the previous line may be torn
        self._append(f"\nboot {boot}\n" if self.mark() else f"{head}\nboot {boot}\n")

    def mark(self) -> int:
        """Return the length of the journal: all ranges it lists were written before."""
        return os.fstat(self._handle).st_size

    def written(self, start: int, end: int) -> None:
        """Record that these bytes are written."""
        self._append(f"written {start} {end}\n")

    def synced(self, mark: int) -> None:
        """Record that all ranges listed before the mark are on disk."""
        self._append(f"synced {mark}\n")
        os.fdatasync(self._handle)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def _append(self, text: str) -> None:
        os.write(self._handle, text.encode())


@dataclass
class _Lines:
    """A parsed journal; invalid lines are skipped."""

    text: bytes
    content: ContentId | None = None
    entries: list[tuple[int, str, Range]] = field(default_factory=list)
    """Offset in the journal, boot id and range of each `written` line."""
    boot: str = ""
    synced: int = 0

    def __post_init__(self) -> None:
        head, _, _ = self.text.partition(b"\n")
        with suppress(ValueError, TypeError):
            self.content = ContentId(**json.loads(head))
        offset = 0
        for line in self.text.splitlines(keepends=True):
            if line.endswith(b"\n"):
                with suppress(ValueError):
                    self._parse(offset, line.decode().split())
            offset += len(line)

    def trusted(self, boot: str) -> list[Range]:
        return [
            written
            for offset, written_boot, written in self.entries
            if offset < self.synced or written_boot == boot
        ]

    def _parse(self, offset: int, words: list[str]) -> None:
        match words:
            case ["boot", boot]:
                self.boot = boot
            case ["written", start, end] if 0 <= int(start) < int(end):
                self.entries.append((offset, self.boot, (int(start), int(end))))
            case ["synced", mark] if int(mark) <= offset:
                self.synced = max(self.synced, int(mark))
