"""When a request is sent again."""

from __future__ import annotations

import pytest

from kinomill.errors import Unreachable, api_error
from kinomill.retry import Backoff, RetryPolicy

BUSY = api_error(503, {"retryable": True})


def pauses(policy, error, count=10):
    attempts = policy.start()
    found = []
    while len(found) < count and (pause := attempts.pause_after(error)) is not None:
        found.append(pause)
    return found


def test_pauses_grow_up_to_a_limit_and_differ():
    backoff = Backoff(first_seconds=1, max_seconds=8)

    for failures, full in [(1, 1), (2, 2), (4, 8), (5, 8), (5000, 8)]:
        assert full / 2 <= backoff.seconds(failures) <= full
    assert len({backoff.seconds(1) for _ in range(10)}) > 1


@pytest.mark.parametrize("error", [BUSY, Unreachable("http://x")])
def test_transient_errors_are_retried_a_few_times(error):
    assert len(pauses(RetryPolicy(max_retries=3), error)) == 3
    assert pauses(RetryPolicy(max_retries=0), error) == []


@pytest.mark.parametrize(
    "error", [api_error(422, {"retryable": False}), api_error(500, {}), ValueError()]
)
def test_other_errors_are_not_retried(error):
    assert pauses(RetryPolicy(), error) == []


def test_the_time_of_all_retries_is_bounded():
    policy = RetryPolicy(max_retries=None, total_seconds=5)

    assert pauses(policy, api_error(429, {}, retry_after=4)) == [4] * 10
    assert pauses(policy, api_error(429, {}, retry_after=6)) == []


def test_the_time_counts_from_the_first_failure(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("kinomill.retry.time.monotonic", lambda: now[0])
    attempts = RetryPolicy(total_seconds=60).start()

    now[0] = 90.0  # a request of a minute and a half, which timed out
    assert attempts.pause_after(Unreachable("http://x")) is not None
    now[0] = 151.0
    assert attempts.pause_after(Unreachable("http://x")) is None
