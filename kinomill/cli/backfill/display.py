"""What a backfill shows: messages, and its progress as a bar in a terminal, as lines elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS = 10.0
"""Between two lines where there is no terminal."""
MAX_PRINTED_ERRORS = 50
"""Of bad rows, on the screen; failures.csv lists all of them."""


@dataclass
class Messages:
    """Prints messages, and the first bad rows. stdout is left to the report with `--json`."""

    to_stderr: bool = False
    noun: str = "line"
    """What the number of a row counts: in failures.csv, rows of the first file."""
    errors: int = 0

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=sys.stderr if self.to_stderr else sys.stdout, flush=True)

    def pause(self, reason: str, seconds: float) -> None:
        """Print why the run pauses."""
        self.say(f"{reason.rstrip('.')}; next try in {seconds:.0f} s")

    def error(self, row: int, reason: str) -> None:
        """Print the number of a row, and what is wrong. A row without a number names its line."""
        self.errors += 1
        if self.errors <= MAX_PRINTED_ERRORS:
            self.say(f"{self.noun} {row}: {reason}" if row else reason)
        elif self.errors == MAX_PRINTED_ERRORS + 1:
            self.say("… more bad rows are not listed here")


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

    def __init__(self, counts: Counts, messages: Messages) -> None:
        self.counts = counts
        self.messages = messages
        self._last_line = 0.0
        self._pause = ""
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar, self._task = _progress_bar(self.counts.total)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show_pause(self, reason: str, seconds: float) -> None:
        """Show why nothing happens for some seconds. May be called by any thread."""
        self._pause = f"; {reason.rstrip('.')}; next try in {seconds:.0f} s"

    def refresh(self, busy: int, *, updated: bool) -> None:
        """Show the counts; after an update the reason of a pause is out of date."""
        if updated:
            self._pause = ""
        text = self.counts.text(busy) + self._pause
        now = time.monotonic()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.counts.finished, description=text)
        elif now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            self.messages.say(f"{self.counts.finished}/{self.counts.total} rows: {text}")


def _progress_bar(total: int) -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("{task.description}"))
    bar = Progress(*columns, console=Console(stderr=True))
    return bar, bar.add_task("", total=total)
