"""Periodic tasks: each runs at its own period, whether or not others fail."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from maintenance.periodic import Failures, PeriodicTask, PeriodicThread
from storage.base import StorageUnavailable
from tests.waiting import until

HOUR = timedelta(hours=1)


@pytest.fixture
def periodic_thread(request):
    def start(*tasks):
        thread = PeriodicThread(tasks, threading.Event(), period_seconds=0.01)
        thread.start()
        request.addfinalizer(thread.stop)
        return thread

    return start


def test_a_task_runs_at_once_and_then_each_period(periodic_thread):
    frequent, hourly = [], []

    periodic_thread(
        PeriodicTask("frequent", timedelta(milliseconds=1), lambda: frequent.append(1)),
        PeriodicTask("hourly", HOUR, lambda: hourly.append(1)),
    )

    until(lambda: len(frequent) > 3, what="the fourth run")
    assert len(hourly) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [(StorageUnavailable("503"), "object storage unavailable"), (ValueError("odd"), "task failed")],
)
def test_a_task_that_fails_is_logged_and_run_again(periodic_thread, error, words):
    tries, others = [], []

    def fail():
        tries.append(1)
        raise error

    with capture_logs() as logs:
        periodic_thread(
            PeriodicTask("fail", timedelta(milliseconds=1), fail),
            PeriodicTask("other", HOUR, lambda: others.append(1)),
        )
        until(lambda: len(tries) > 1 and others, what="the second try")

    assert any(words in entry["event"] and entry["task"] == "fail" for entry in logs)


def test_failures_are_taken_once_and_kept_until_they_are_counted():
    failures = Failures()
    failures.add("storage")
    with pytest.raises(ConnectionError), failures.taken():
        raise ConnectionError
    failures.add("storage")

    with failures.taken() as first:
        pass
    with failures.taken() as second:
        pass

    assert (first, second) == ({"storage": 2}, {})


def test_no_further_task_runs_after_a_stop():
    stopping, done = threading.Event(), []
    thread = PeriodicThread(
        [
            PeriodicTask("end", HOUR, stopping.set),
            PeriodicTask("next", HOUR, lambda: done.append(1)),
        ],
        stopping,
    )

    thread.start()
    thread.stop()

    assert stopping.is_set()
    assert done == []
