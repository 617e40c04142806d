"""One thread that calls functions at intervals, so that a short job need not start a thread."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()


@dataclass(eq=False)
class Repetition:
    """A function that the thread calls each `seconds`, first after as many."""

    act: Callable[[], None]
    seconds: float
    due: float = field(init=False)
    canceled: bool = field(default=False, init=False)
    _calling: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self.due = time.monotonic() + self.seconds

    def call(self) -> None:
        """Call the function, unless it was canceled."""
        with self._calling:
            if not self.canceled:
                try:
                    self.act()
                finally:
                    self.due = time.monotonic() + self.seconds

    def cancel(self) -> None:
        """Call the function no more; wait for a call that is in progress."""
        self.canceled = True
        with self._calling:
            pass


class Ticker:
    """The thread; started by the first function. A call that blocks delays those of the others."""

    def __init__(self) -> None:
        self._repetitions: list[Repetition] = []
        self._changed = threading.Condition()
        self._wakes_at = float("inf")
        self._thread: threading.Thread | None = None

    def every(self, seconds: float, act: Callable[[], None]) -> Repetition:
        """Call `act` each `seconds` until the repetition is canceled."""
        repetition = Repetition(act, seconds)
        with self._changed:
            self._repetitions.append(repetition)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
                self._thread.start()
            elif repetition.due < self._wakes_at:
                self._changed.notify()
        return repetition

    def _run(self) -> None:
        while True:
            for repetition in self._wait_for_due():
                try:
                    repetition.call()
                except Exception:  # those of other jobs go on, and this one is called again
                    log.exception("an act of the ticker failed")

    def _wait_for_due(self) -> list[Repetition]:
        """Sleep until the first is due. Those that were canceled meanwhile have not woken it."""
        with self._changed:
            now = time.monotonic()
            self._repetitions = [each for each in self._repetitions if not each.canceled]
            self._wakes_at = min((each.due for each in self._repetitions), default=float("inf"))
            if self._wakes_at > now:
                idle = self._wakes_at == float("inf")
                self._changed.wait(None if idle else self._wakes_at - now)
            return [each for each in self._repetitions if each.due <= time.monotonic()]
