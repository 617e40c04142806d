"""How far a backfill is: a bar in a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 10.0


@dataclass
class Tally:
    """The figures of a run. A row counts as over when it is done or has failed."""

    total: int
    done: int = 0
    failed: int = 0
    before: int = 0
    """Rows that an earlier run brought to their end."""
    failed_now: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> int:
        """Rows that are at their end."""
        return self.done + self.failed

    def text(self, busy: int) -> str:
        """The figures in words."""
        parts = [f"{self.done} done, {self.failed} failed, {busy} in flight"]
        finished = self.over - self.before
        elapsed = time.monotonic() - self.started
        if finished and elapsed > 1:
            rate = finished / elapsed
            left = timedelta(seconds=round((self.total - self.over) / rate))
            parts.append(f"{rate * 60:.1f} rows a minute, {left} to go")
        return "; ".join(parts)


class Display:
    """Shows a tally. `wait` notes that the API is busy, until the next news."""

    def __init__(self, console: Console, tally: Tally) -> None:
        self._console = console
        self._tally = tally
        self._said = 0.0
        self._note = ""
        columns = (BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=tally.total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def wait(self, why: str, seconds: float) -> None:
        """Note why nothing happens now. Called from any thread."""
        self._note = f"; {why}, next try in {seconds:.0f} s"

    def show(self, busy: int, *, news: bool) -> None:
        """Show how things stand."""
        if news:
            self._note = ""
        text = self._tally.text(busy) + self._note
        self._bar.update(self._task, completed=self._tally.over, description=text)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._said >= LINE_SECONDS:
            self._said = now
            line = f"{self._tally.over}/{self._tally.total} rows: {text}"
            self._console.print(line, highlight=False, soft_wrap=True)
