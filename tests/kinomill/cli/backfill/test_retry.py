"""A backfill waits for an API that is busy or down, until it is stopped."""

from __future__ import annotations

import time
from threading import Event, Timer

import pytest

from kinomill.cli.backfill.retry import RetryUntilStopped
from kinomill.errors import RateLimited, Unreachable, api_error
from kinomill.retry import Backoff

BUSY = api_error(503, {"code": "queue_full", "detail": "The queue is full.", "retryable": True})
DOWN = Unreachable("http://kinomill.test")
QUICK = Backoff(first_seconds=0.001, max_seconds=0.001)


def failing(*errors):
    """A function that raises these errors, one per call, and then returns its argument."""
    remaining = list(errors)

    def function(value):
        if remaining:
            raise remaining.pop(0)
        return value

    return function


def test_transient_errors_are_retried_as_often_as_it_takes():
    pauses = []
    retry = RetryUntilStopped(Event(), lambda *pause: pauses.append(pause), backoff=QUICK)

    assert retry.call(failing(*[BUSY, DOWN] * 10), 7) == 7
    assert len(pauses) == 20
    assert pauses[0][0] == "The queue is full."


def test_retry_after_is_honored():
    pauses = []
    retry = RetryUntilStopped(Event(), lambda *pause: pauses.append(pause))

    retry.call(failing(api_error(429, {"retryable": True}, retry_after=0.01)), 7)

    assert [seconds for _, seconds in pauses] == [0.01]


@pytest.mark.parametrize("error", [api_error(422, {}), api_error(401, {}), ValueError()])
def test_other_errors_are_raised(error):
    with pytest.raises(type(error)):
        RetryUntilStopped(Event(), print).call(failing(error), 7)


def test_an_unreachable_api_is_an_error_if_it_is_not_waited_for():
    retry = RetryUntilStopped(Event(), lambda *_: None, unreachable=False, backoff=QUICK)

    assert retry.call(failing(BUSY), 7) == 7
    with pytest.raises(Unreachable):
        retry.call(failing(DOWN), 7)


def test_a_stop_ends_a_pause():
    stop = Event()
    retry = RetryUntilStopped(stop, lambda *_: Timer(0.1, stop.set).start())
    began = time.monotonic()

    with pytest.raises(RateLimited):
        retry.call(failing(api_error(429, {"retryable": True}, retry_after=60)), 7)

    assert time.monotonic() - began < 30
