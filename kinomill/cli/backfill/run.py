"""One pass over all rows: skips finished ones, submits the others, writes the journal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kinomill.cli.backfill.journal import REJECTED, Entry
from kinomill.cli.backfill.submitter import RowTask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kinomill.cli.backfill.display import Display
    from kinomill.cli.backfill.journal import Journal
    from kinomill.cli.backfill.report import Results
    from kinomill.cli.backfill.row_pool import RowPool
    from kinomill.cli.backfill.rows import Row

POLL_SECONDS = 0.2
ROWS_PER_REFRESH = 1000
"""The display is refreshed after so many rows also while all of them are skipped."""


class TooManyFailures(Exception):
    """As many rows have failed as the caller allowed."""


@dataclass
class BackfillRun:
    """One pass over the rows; only its thread writes the journal."""

    journal: Journal
    results: Results
    pool: RowPool
    display: Display
    max_failures: int | None = None

    def process(self, rows: Iterable[Row]) -> None:
        """Process every row to its end. Raises `TooManyFailures`, `FatalError`."""
        try:
            for row in rows:
                while self.pool.full:
                    self._poll()
                self._start(row)
                if row.number % ROWS_PER_REFRESH == 0:
                    self.display.refresh(self.pool.busy, updated=False)
            while self.pool.busy:
                self._poll()
        finally:
            self.journal.sync()

    def _start(self, row: Row) -> None:
        known = self.journal.find(row.number, row.digest)
        if known is not None and known.settled and not self._video_missing(known):
            self.display.counts.skipped += 1
            self._count(known)
        elif row.error is not None:
            self._reject(row, row.error)
        else:
            key = row.key or f"{self.journal.run}-{row.number}-{row.digest}"
            self.pool.submit(RowTask(row, key, known.job if known else None))

    def _reject(self, row: Row, error: str) -> None:
        columns = dict(row.columns) or None
        entry = Entry(row.number, row.digest, REJECTED, None, "bad_row", error, columns=columns)
        self._record(entry)

    def _video_missing(self, entry: Entry) -> bool:
        """Return whether an earlier run made the result without saving it here."""
        folder = self.pool.submitter.folder
        if folder is None or entry.status != "succeeded":
            return False
        path = Path(entry.path or "")
        return path.parent != folder.absolute() or not path.exists()

    def _poll(self) -> None:
        updated = False
        for entry in self.pool.updates(POLL_SECONDS):
            updated = True
            self._record(entry)
        self.display.refresh(self.pool.busy, updated=updated)

    def _record(self, entry: Entry) -> None:
        if entry.row:
            self.journal.add(entry)
        if entry.status == "open":
            return
        if entry.row:
            self.results.add(entry)
        self._count(entry)
        if entry.failed:
            self.display.messages.error(
                entry.row, f"{entry.code or entry.status}: {entry.detail or ''}"
            )
            self.display.counts.failed_now += 1
            if self.max_failures and self.display.counts.failed_now >= self.max_failures:
                raise TooManyFailures

    def _count(self, entry: Entry) -> None:
        if entry.failed:
            self.display.counts.failed += 1
        else:
            self.display.counts.done += 1
