"""Chores: each at its own period, whatever becomes of the others."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from maintenance.periodic import PeriodicTask, PeriodicThread
from storage.base import StorageUnavailable
from tests.waiting import until

HOUR = timedelta(hours=1)


@pytest.fixture
def rounds(request):
    def start(*chores):
        made = PeriodicThread(chores, threading.Event(), period_seconds=0.01)
        made.start()
        request.addfinalizer(made.stop)
        return made

    return start


def test_a_chore_is_done_at_once_and_then_each_period(rounds):
    often, seldom = [], []

    rounds(
        PeriodicTask("often", timedelta(milliseconds=1), lambda: often.append(1)),
        PeriodicTask("seldom", HOUR, lambda: seldom.append(1)),
    )

    until(lambda: len(often) > 3, what="the fourth time")
    assert len(seldom) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [(StorageUnavailable("503"), "storage unavailable"), (ValueError("odd"), "sweep failed")],
)
def test_a_chore_that_fails_is_logged_and_tried_again(rounds, error, words):
    tries, others = [], []

    def fail():
        tries.append(1)
        raise error

    with capture_logs() as logs:
        rounds(
            PeriodicTask("fail", timedelta(milliseconds=1), fail),
            PeriodicTask("other", HOUR, lambda: others.append(1)),
        )
        until(lambda: len(tries) > 1 and others, what="the second try")

    assert any(words in entry["event"] and entry["chore"] == "fail" for entry in logs)


def test_a_stop_begins_no_other_chore():
    over, done = threading.Event(), []
    rounds = PeriodicThread(
        [PeriodicTask("end", HOUR, over.set), PeriodicTask("next", HOUR, lambda: done.append(1))],
        over,
    )

    rounds.start()
    rounds.stop()

    assert over.is_set()
    assert done == []
