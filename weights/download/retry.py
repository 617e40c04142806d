"""How long a source is borne with, and how long to wait before it is asked again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from weights.errors import SourceUnavailable

FIRST_SECONDS, MOST_SECONDS = 0.25, 30.0
"""The wait after the first failure and after many; each is between half of it and all of it."""
MOST_ASKED_SECONDS = 120.0
"""A server that asks for a longer wait is asked again earlier."""


class Patience:
    """Counts failures since the last byte. Knows no clock: each call brings the time."""

    def __init__(self, seconds: float, chance: Callable[[], float] = random.random) -> None:
        self._seconds = seconds
        self._chance = chance
        self.failures = 0
        """PeriodicThread of failures since the last byte."""
        self._since: float | None = None
        self.not_before = 0.0
        """The source is not to be asked before this moment."""

    def progressed(self) -> None:
        """Something came: the next failure is the first again."""
        self.failures = 0
        self._since = None

    def failed(self, error: SourceUnavailable, now: float) -> None:
        """Put the next try off. Raises the error itself once patience is at its end."""
        if self._since is None:
            self._since = now
        wait = self._wait(error.retry_after_seconds or 0.0)
        if now + wait - self._since > self._seconds:
            raise error
        # a failure while others still wait puts nothing off twice
        if now >= self.not_before:
            self.failures += 1
        self.not_before = max(self.not_before, now + wait)

    def _wait(self, asked: float) -> float:
        most = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(self.failures, 16))
        return max(min(asked, MOST_ASKED_SECONDS), most * (1 + self._chance()) / 2)
