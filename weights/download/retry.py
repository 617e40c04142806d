"""Retry budget and backoff for one download source."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from runtime.backoff import doubling_pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from weights.errors import SourceUnavailable

FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.25, 30.0
"""Backoff after the first failure and its upper bound; jitter takes off up to half of it."""
MAX_RETRY_AFTER_SECONDS = 120.0
"""Upper bound for the delay that a server asks for by `Retry-After`."""


class RetryBudget:
    """Counts failures since the last byte. Has no clock: each call passes the time."""

    def __init__(
        self, seconds: float, random_fraction: Callable[[], float] = random.random
    ) -> None:
        self._seconds = seconds
        self._random_fraction = random_fraction
        self.failures = 0
        """Rounds of failures since the last byte."""
        self._failing_since: float | None = None
        self.not_before = 0.0
        """No request may be sent before this time."""

    def reset(self) -> None:
        """Record progress: the next failure counts as the first."""
        self.failures = 0
        self._failing_since = None

    def record_failure(self, error: SourceUnavailable, now: float) -> None:
        """Schedule the next attempt. Raises `error` once the budget is spent."""
        if self._failing_since is None:
            self._failing_since = now
        delay = self._backoff(error.retry_after_seconds or 0.0)
        if now + delay - self._failing_since > self._seconds:
            raise error
        # parallel connections that fail during one backoff count as one failure
        if now >= self.not_before:
            self.failures += 1
        self.not_before = max(self.not_before, now + delay)

    def _backoff(self, retry_after: float) -> float:
        longest = doubling_pause(
            self.failures + 1, first=FIRST_BACKOFF_SECONDS, longest=MAX_BACKOFF_SECONDS
        )
        jittered = longest * (1 + self._random_fraction()) / 2
        return max(min(retry_after, MAX_RETRY_AFTER_SECONDS), jittered)
