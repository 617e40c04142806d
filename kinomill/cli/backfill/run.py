"""A run over all rows: skips what is settled, sends the rest, writes down what happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinomill.cli.backfill.journal import REJECTED, Entry
from kinomill.cli.backfill.submitter import Errand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kinomill.cli.backfill.display import Display, Tally
    from kinomill.cli.backfill.journal import Journal
    from kinomill.cli.backfill.row_pool import Crew
    from kinomill.cli.backfill.rows import Row

TICK_SECONDS = 0.2
SHOWN_ROWS = 1000
"""Also a long run of settled rows, which nobody waits for, is shown from time to time."""


class TooManyFailures(Exception):
    """As many rows have failed as the caller allowed."""


@dataclass
class Run:
    """One pass over the rows; only this thread writes the journal."""

    journal: Journal
    crew: Crew
    tally: Tally
    display: Display
    complain: Callable[[int, str], None]
    max_failures: int | None = None

    def over(self, rows: Iterable[Row]) -> None:
        """Bring every row to its end. Raises `TooManyFailures`, `Hopeless`."""
        try:
            for row in rows:
                while self.crew.full:
                    self._listen()
                self._take(row)
                if row.number % SHOWN_ROWS == 0:
                    self.display.show(self.crew.busy, news=False)
            while self.crew.busy:
                self._listen()
        finally:
            self.journal.sync()

    def _take(self, row: Row) -> None:
        known = self.journal.find(row.number, row.digest)
        if known is not None and known.settled and not self._unsaved(known):
            self.tally.before += 1
            self._count(known)
        elif row.fault is not None:
            bad = Entry(row.number, row.digest, REJECTED, code="bad_row", detail=row.fault)
            self._note(bad)
        else:
            key = row.key or f"{self.journal.run}-{row.number}-{row.digest}"
            self.crew.give(Errand(row, key, known.job if known else None))

    def _unsaved(self, entry: Entry) -> bool:
        """Whether an earlier run made the video, and this one is to save it."""
        path = self.crew.sender.video(entry.row)
        return entry.status == "succeeded" and path is not None and not path.exists()

    def _listen(self) -> None:
        news = False
        for entry in self.crew.news(TICK_SECONDS):
            news = True
            self._note(entry)
        self.display.show(self.crew.busy, news=news)

    def _note(self, entry: Entry) -> None:
        self.journal.add(entry)
        if entry.status == "open":
            return
        self._count(entry)
        if entry.failed:
            self.complain(entry.row, f"{entry.code or entry.status}: {entry.detail or ''}")
            self.tally.failed_now += 1
            if self.max_failures and self.tally.failed_now >= self.max_failures:
                raise TooManyFailures

    def _count(self, entry: Entry) -> None:
        if entry.failed:
            self.tally.failed += 1
        else:
            self.tally.done += 1
