"""Some threads that do errands side by side, and tell one listener of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinomill.cli.backfill.journal import Entry
    from kinomill.cli.backfill.submitter import Errand, Sender


@dataclass
class Crew:
    """At most `size` errands at once. Its threads end with the process, whatever they wait for."""

    sender: Sender
    size: int
    busy: int = 0
    _errands: SimpleQueue[Errand] = field(default_factory=SimpleQueue)
    _news: SimpleQueue[Entry | Exception] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        for number in range(self.size):
            Thread(target=self._work, name=f"backfill-{number}", daemon=True).start()

    @property
    def full(self) -> bool:
        """Whether an errand more would have to wait."""
        return self.busy >= self.size

    def give(self, errand: Errand) -> None:
        """Have an errand done; its news come by `news`."""
        self.busy += 1
        self._errands.put(errand)

    def news(self, seconds: float) -> Iterator[Entry]:
        """What has happened, waiting for it at most `seconds`. Raises what an errand raised."""
        try:
            yield self._next(seconds)
            while True:
                yield self._next(0)
        except Empty:
            return

    def _next(self, seconds: float) -> Entry:
        entry = self._news.get(block=seconds > 0, timeout=seconds or None)
        if isinstance(entry, Exception):
            raise entry
        if entry.status != "open":
            self.busy -= 1
        return entry

    def _work(self) -> None:
        while True:
            errand = self._errands.get()
            try:
                self._news.put(self.sender.carry_out(errand, self._news.put))
            except Exception as error:  # noqa: BLE001 - raised by the thread that asks for news
                self._news.put(error)
