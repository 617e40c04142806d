"""Periodic tasks: each has its own period, and no error of a task ends the program."""

from __future__ import annotations

import threading
import time
from collections import Counter
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


class Failures:
    """Failed acts of this process by cause, until they are counted in the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, cause: str) -> None:
        """Count a failure."""
        with self._lock:
            self._counts[cause] += 1

    @contextmanager
    def taken(self) -> Iterator[Counter[str]]:
        """Yield the counts; they begin at 0 again, unless the block raises."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        try:
            yield taken
        except BaseException:
            with self._lock:
                self._counts += taken
            raise


FAILURES = Failures()
"""Those of this process."""


@contextmanager
def log_and_continue(name: str) -> Iterator[None]:
    """Log any error of the block and go on: the next period tries again."""
    try:
        yield
    except BrokerUnavailable:
        FAILURES.add("broker")
        log.warning("broker unavailable, jobs wait in the database", task=name)
    except OperationalError as error:
        FAILURES.add("database")
        log.warning("database unavailable", task=name, error=str(error.orig))
    except StorageError as error:
        FAILURES.add("storage")
        kind = type(error).__name__
        log.warning("object storage unavailable", task=name, error=f"{kind}: {error}")
    except Exception:
        FAILURES.add("unexpected")
        log.exception("task failed", task=name)


@dataclass
class PeriodicTask:
    """A function to run at once, and again each period, also after an error."""

    name: str
    period: timedelta
    run: Callable[[], object]

    def __post_init__(self) -> None:
        self._next = time.monotonic()

    def run_if_due(self) -> None:
        """Run the function if its period has passed."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.period.total_seconds()
        with log_and_continue(self.name):
            self.run()


class PeriodicThread:
    """A thread for tasks that may take long, so that nothing else waits for them."""

    def __init__(
        self,
        tasks: Sequence[PeriodicTask],
        stopping: threading.Event,
        *,
        period_seconds: float = 1.0,
    ) -> None:
        self._tasks = tasks
        self._stopping = stopping
        self._period_seconds = period_seconds
        self._thread = threading.Thread(target=self._run, name="periodic", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current task. Waits 5 seconds: a longer task ends with the program."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            for task in self._tasks:
                if not self._stopping.is_set():
                    task.run_if_due()
            self._stopping.wait(self._period_seconds)
