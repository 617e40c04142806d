"""A pool of threads that process rows; one thread listens to what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinomill.cli.backfill.journal import Entry
    from kinomill.cli.backfill.submitter import RowTask, Submitter


@dataclass
class RowPool:
    """Processes up to `size` rows at once. Its daemon threads end with the process."""

    submitter: Submitter
    size: int
    busy: int = 0
    _tasks: SimpleQueue[RowTask] = field(default_factory=SimpleQueue)
    _updates: SimpleQueue[Entry | Exception] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        for number in range(self.size):
            Thread(target=self._work, name=f"backfill-{number}", daemon=True).start()

    @property
    def full(self) -> bool:
        """Whether another row would have to wait."""
        return self.busy >= self.size

    def submit(self, task: RowTask) -> None:
        """Process a row; `updates` yields what becomes of it."""
        self.busy += 1
        self._tasks.put(task)

    def updates(self, seconds: float) -> Iterator[Entry]:
        """Yield the new states of rows, waiting at most `seconds` for the first one.

        Raises what the processing of a row raised.
        """
        try:
            yield self._next(seconds)
            while True:
                yield self._next(0)
        except Empty:
            return

    def _next(self, seconds: float) -> Entry:
        entry = self._updates.get(block=seconds > 0, timeout=seconds or None)
        if isinstance(entry, Exception):
            raise entry
        if entry.status != "open":
            self.busy -= 1
        return entry

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                self._updates.put(self.submitter.process(task, self._updates.put))
            except Exception as error:  # noqa: BLE001 - raised again by `updates`
                self._updates.put(error)
