"""The API is killed while it accepts jobs; `python -m tests.soak.api_kills` kills it 50 times."""

from __future__ import annotations

from tests.soak import api_kills


def test_no_accepted_job_is_lost_or_doubled_when_the_api_is_killed():
    report = api_kills.run(kills=3, rate=100, seed=2)

    assert report.accepted > report.keys > 0  # some keys were sent by two threads
    assert report.retries > 0
    assert (report.lost, report.doubled) == ([], [])
