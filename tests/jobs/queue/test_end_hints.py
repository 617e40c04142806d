"""Hints of ended jobs: they reach a subscriber, and a dead Redis costs no job its time."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from jobs.queue.end_hints import CHANNEL, EndHints, ended_ids


@pytest.fixture
def hints(broker_url, redis):
    hints = EndHints(broker_url)
    yield hints
    hints.close()


def test_a_subscriber_learns_which_jobs_have_ended(hints, redis):
    with redis.pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe(CHANNEL)
        subscriber.get_message(timeout=1)

        hints.send(["job_a", "job_b"])
        message = subscriber.get_message(timeout=5)

    assert ended_ids(message["data"]) == ["job_a", "job_b"]


def test_a_hint_without_redis_is_dropped_and_the_next_ones_do_not_try():
    hints = EndHints("redis://127.0.0.1:1/0")

    with capture_logs() as logs:
        for _ in range(20):
            hints.send(["job_a"])

    assert [entry["event"] for entry in logs] == ["hints of ended jobs are not sent"]
