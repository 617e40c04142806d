"""Work that comes round: each chore at its own period, and none of them ends the program."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import OperationalError

from jobs.queue.broker import BrokerUnavailable
from storage.base import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta

log = structlog.get_logger()


@contextmanager
def log_and_continue(name: str) -> Iterator[None]:
    """Whatever happens inside is logged and over: the next round tries again."""
    try:
        yield
    except BrokerUnavailable:
        log.warning("broker unavailable, jobs wait in the record", chore=name)
    except OperationalError as error:
        log.warning("database unavailable", chore=name, error=str(error.orig))
    except StorageError as error:
        kind = type(error).__name__
        log.warning("storage unavailable, chore put off", chore=name, error=f"{kind}: {error}")
    except Exception:
        log.exception("sweep failed", chore=name)


@dataclass
class PeriodicTask:
    """Something to do at once, and again each period; also if it failed."""

    name: str
    period: timedelta
    do: Callable[[], object]

    def __post_init__(self) -> None:
        self._next = time.monotonic()

    def run_if_due(self) -> None:
        """Do it if its time has come."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.period.total_seconds()
        with log_and_continue(self.name):
            self.do()


class PeriodicThread:
    """A thread for chores that may take long: nothing else waits for them."""

    def __init__(
        self, chores: Sequence[PeriodicTask], over: threading.Event, *, period_seconds: float = 1.0
    ) -> None:
        self._chores = chores
        self._over = over
        self._period_seconds = period_seconds
        self._thread = threading.Thread(target=self._run, name="rounds", daemon=True)

    def start(self) -> None:
        """Begin the first round."""
        self._thread.start()

    def stop(self) -> None:
        """End after the batch that is under way; what takes longer dies with the program."""
        self._over.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._over.is_set():
            for chore in self._chores:
                if not self._over.is_set():
                    chore.run_if_due()
            self._over.wait(self._period_seconds)
