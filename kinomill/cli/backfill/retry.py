"""Retries while the API is busy or down: until it answers, or the run stops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from kinomill.errors import ApiError, KinomillError, Unreachable
from kinomill.retry import Backoff, is_busy, is_transient, pause_seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

T = TypeVar("T")

MAX_PAUSE_SECONDS = 3600.0
"""Also of a `Retry-After`."""


@dataclass(frozen=True)
class RetryUntilStopped:
    """Calls the API until it answers or `stop` is set.

    The client itself retries a few times; this goes on after that. `unreachable` says whether an
    API that cannot be reached at all is waited for, too.
    """

    stop: Event
    on_wait: Callable[[str, float], None]
    """Called before each pause with the reason and the seconds."""
    unreachable: bool = True
    backoff: Backoff = field(default=Backoff(first_seconds=0.5, max_seconds=30))

    def call(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call the function again after each transient error. Any other error is raised."""
        failures = 0
        while True:
            try:
                return function(*arguments, **options)
            except (ApiError, Unreachable) as error:
                failures += 1
                if not self._is_waited_for(error) or self._stopped_during(error, failures):
                    raise

    def _is_waited_for(self, error: KinomillError) -> bool:
        return is_transient(error) if self.unreachable else is_busy(error)

    def _stopped_during(self, error: KinomillError, failures: int) -> bool:
        """Pause; return whether the run was stopped meanwhile."""
        pause = min(pause_seconds(error, failures, self.backoff), MAX_PAUSE_SECONDS)
        self.on_wait(str(error), pause)
        return self.stop.wait(pause)
