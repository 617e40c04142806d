"""The progress of a backfill: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 10.0
"""Between two lines where there is no terminal."""


@dataclass
class Counts:
    """Counts of rows. A row is finished when it is done or has failed."""

    total: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    """Of the finished rows, those that an earlier run had finished."""
    failed_now: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def finished(self) -> int:
        """Rows that are done or have failed."""
        return self.done + self.failed

    def text(self, busy: int) -> str:
        """Describe the counts, the rate, and the time left."""
        parts = [f"{self.done} done, {self.failed} failed, {busy} in flight"]
        finished_now = self.finished - self.skipped
        elapsed = time.monotonic() - self.started
        if finished_now and elapsed > 1:
            rate = finished_now / elapsed
            left = timedelta(seconds=round((self.total - self.finished) / rate))
            parts.append(f"{rate * 60:.1f} rows a minute, {left} left")
        return "; ".join(parts)


class Display:
    """Shows counts, and why a run pauses until something happens again."""

    def __init__(self, console: Console, counts: Counts) -> None:
        self._console = console
        self._counts = counts
        self._last_line = 0.0
        self._pause = ""
        columns = (BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=counts.total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show_pause(self, reason: str, seconds: float) -> None:
        """Show why nothing happens for some seconds. May be called by any thread."""
        self._pause = f"; {reason}, next try in {seconds:.0f} s"

    def refresh(self, busy: int, *, updated: bool) -> None:
        """Show the counts; after an update the reason of a pause is out of date."""
        if updated:
            self._pause = ""
        text = self._counts.text(busy) + self._pause
        self._bar.update(self._task, completed=self._counts.finished, description=text)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            line = f"{self._counts.finished}/{self._counts.total} rows: {text}"
            self._console.print(line, highlight=False, soft_wrap=True)
