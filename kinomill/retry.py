"""When a failed request is sent again, and after how long a pause."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from kinomill.errors import ApiError, Misdirected, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    OnRetry = Callable[[Exception, float], object]
    """Called before each pause with the error and the seconds until the next attempt."""


@dataclass(frozen=True)
class Backoff:
    """Pauses that double from `first_seconds` up to `max_seconds`, with jitter of up to half.

    Without jitter, clients that failed together would all come back at the same moment.
    """

    first_seconds: float = 0.3
    max_seconds: float = 5.0

    def seconds(self, failures: int) -> float:
        """Return the pause after this many failures in a row (1 or more)."""
        full = min(self.first_seconds * 2.0 ** min(failures - 1, 30), self.max_seconds)
        return full * random.uniform(0.5, 1)  # noqa: S311 - no secret


@dataclass(frozen=True)
class RetryPolicy:
    """How often a request is repeated, and for how long.

    The time counts from the first failure: a request that waited half a minute for news of a job,
    or one that timed out, can still be repeated.
    """

    max_retries: int | None = 3
    """None: as many as `total_seconds` allows."""
    total_seconds: float = 60.0
    """No attempt begins later than this after the first failure."""
    backoff: Backoff = Backoff()
    on_retry: OnRetry | None = None

    def start(self) -> Attempts:
        """Start counting the attempts of one request."""
        return Attempts(self)


@dataclass
class Attempts:
    """The attempts of one request."""

    policy: RetryPolicy
    failures: int = 0
    deadline: float = inf

    def pause_after(self, error: Exception) -> float | None:
        """Return the seconds to wait before the next attempt; None: `error` is final."""
        now = time.monotonic()
        self.failures += 1
        self.deadline = min(self.deadline, now + self.policy.total_seconds)
        retries = self.policy.max_retries
        if not is_transient(error) or (retries is not None and self.failures > retries):
            return None
        pause = pause_seconds(error, self.failures, self.policy.backoff)
        if now + pause > self.deadline:
            return None
        if self.policy.on_retry is not None:
            self.policy.on_retry(error, pause)
        return pause


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, Misdirected):
        return False
    return isinstance(error, Unreachable) or is_busy(error)


def is_busy(error: Exception) -> bool:
    """Return whether the API answered, and asked to try again later."""
    return isinstance(error, ApiError) and error.retryable


def pause_seconds(error: Exception, failures: int, backoff: Backoff) -> float:
    """Return what `Retry-After` asked for, else the backoff."""
    if isinstance(error, ApiError) and error.retry_after is not None:
        return error.retry_after
    return backoff.seconds(failures)
