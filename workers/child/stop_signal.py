"""Orders to stop, on their way from a guard to threads that work for its job."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class StoppableReport:
    """Passes reports on. The report that raises is the last; `check` raises its error again.

    Whoever reads weights reports from threads of its own: an exception ends one of them, the
    event ends all.
    """

    def __init__(self, report: Callable[..., None]) -> None:
        self._report = report
        self._error: Exception | None = None
        self.stop = threading.Event()

    def __call__(self, *report: object) -> None:
        """Report, unless told to stop before."""
        if self.stop.is_set():
            return
        try:
            self._report(*report)
        except Exception as error:  # noqa: BLE001 - raised again by check
            self._error = error
            self.stop.set()

    def check(self) -> None:
        """Raise what a report raised."""
        if self._error is not None:
            raise self._error
