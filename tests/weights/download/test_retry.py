"""The retry budget and backoff of one source."""

from __future__ import annotations

import pytest

from weights.download.retry import FIRST_BACKOFF_SECONDS, MAX_RETRY_AFTER_SECONDS, RetryBudget
from weights.errors import SourceUnavailable


def test_backoff_grows_and_a_received_byte_resets_it():
    retry = RetryBudget(1000, random_fraction=lambda: 1.0)
    delays = []
    for _ in range(3):
        now = retry.not_before
        retry.record_failure(SourceUnavailable("503"), now)
        delays.append(retry.not_before - now)

    retry.reset()
    now = retry.not_before
    retry.record_failure(SourceUnavailable("503"), now)

    assert delays == [FIRST_BACKOFF_SECONDS, 2 * FIRST_BACKOFF_SECONDS, 4 * FIRST_BACKOFF_SECONDS]
    assert retry.not_before - now == FIRST_BACKOFF_SECONDS


def test_connections_that_fail_at_the_same_time_count_as_one_failure():
    retry = RetryBudget(1000, random_fraction=lambda: 1.0)

    for _ in range(16):
        retry.record_failure(SourceUnavailable("503"), 5.0)

    assert retry.not_before < 5 + 2 * FIRST_BACKOFF_SECONDS + 0.01


def test_retry_after_of_a_server_is_obeyed_up_to_a_maximum():
    retry = RetryBudget(1000, random_fraction=lambda: 0.0)
    retry.record_failure(SourceUnavailable("429", retry_after_seconds=7), 100)
    first = retry.not_before

    retry.record_failure(SourceUnavailable("429", retry_after_seconds=90_000), 107)

    assert first == 107
    assert retry.not_before == 107 + MAX_RETRY_AFTER_SECONDS


def test_the_last_error_is_raised_when_the_budget_is_spent():
    retry = RetryBudget(10)
    retry.record_failure(SourceUnavailable("503"), 0)

    with pytest.raises(SourceUnavailable, match="503"):
        retry.record_failure(SourceUnavailable("503"), 10)
