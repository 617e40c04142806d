"""The pauses between attempts."""

from __future__ import annotations

from runtime.backoff import doubling_pause


def test_pauses_double_up_to_the_longest():
    pauses = [doubling_pause(failures, first=5, longest=60) for failures in range(1, 7)]

    assert pauses == [5, 10, 20, 40, 60, 60]


def test_a_failure_that_lasts_for_years_still_has_a_pause():
    assert doubling_pause(1_000_000, first=0.25, longest=30) == 30


def test_the_first_pause_does_not_exceed_the_longest():
    assert doubling_pause(1, first=100, longest=60) == 60
