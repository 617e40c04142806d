"""Waiting for an API that is busy or away: as long as it asks, and never giving up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_when_event_set

from kinomill.errors import ApiError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

T = TypeVar("T")

LONGEST_WAIT_SECONDS = 3600.0
_growing = wait_exponential_jitter(multiplier=0.5, max=30)


class Patience:
    """Calls the API until it answers, or until `stop` is set.

    The client itself tries a few times; this goes on where it gives up. `away` says whether an
    API that cannot be reached at all is waited for, too.
    """

    def __init__(
        self, stop: Event, on_wait: Callable[[str, float], None], *, away: bool = True
    ) -> None:
        self._on_wait = on_wait
        self._retrying = Retrying(
            retry=retry_if_exception(_passing if away else _busy),
            wait=_pause,
            sleep=sleep_using_event(stop),
            stop=stop_when_event_set(stop),
            before_sleep=self._tell,
            reraise=True,
        )

    def ask(self, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Make the call, again after each passing error. Any other error is raised."""
        return self._retrying.copy()(partial(call, *arguments, **options))

    def _tell(self, state: RetryCallState) -> None:
        if state.next_action is not None:
            self._on_wait(str(_error(state)), state.next_action.sleep)


def _busy(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.retryable


def _passing(error: BaseException) -> bool:
    return _busy(error) or isinstance(error, Unreachable)


def _pause(state: RetryCallState) -> float:
    """What `Retry-After` said, or longer each time."""
    error = _error(state)
    if isinstance(error, ApiError) and error.retry_after is not None:
        return min(error.retry_after, LONGEST_WAIT_SECONDS)
    return _growing(state)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
