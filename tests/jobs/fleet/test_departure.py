"""A worker that leaves: only when no job that it can run is due, and no claim succeeds later."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from jobs.control import pauses
from jobs.fleet import departure, worker_registry
from jobs.fleet.departure import ConsumedQueue, Departure
from jobs.states import State
from jobs.tables import Job, Worker
from tests.jobs import build

NAME, MODEL = "kinomill@leaver", "preview-lipsync"
MINE = [ConsumedQueue(MODEL, MODEL)]
ROUNDS = 60


@pytest.fixture
def registered(sessions):
    with sessions.begin() as session:
        worker_registry.register(session, NAME, models=[MODEL], pid=7)


def leave(sessions, queues=MINE, instance=""):
    with sessions.begin() as session:
        return departure.leave(session, NAME, instance=instance, queues=queues)


def come_back(sessions, left):
    with sessions.begin() as session:
        departure.come_back(session, NAME, instance="", departure=left)


def drained(sessions):
    with sessions() as session:
        return session.get_one(Worker, NAME).drained_at is not None


@pytest.mark.usefixtures("registered")
def test_a_worker_that_left_gets_no_job_and_does_not_count(sessions):
    left = leave(sessions)
    build.submitted(sessions)

    assert left == Departure(by_itself=True)
    assert build.claim_next(sessions, worker=NAME) is None
    assert build.queues(sessions)[MODEL].workers == 0
    assert build.claim_next(sessions, worker="kinomill@other") is not None


@pytest.mark.usefixtures("registered")
def test_a_worker_stays_while_a_job_that_it_can_run_is_due(sessions):
    build.submitted(sessions)

    assert leave(sessions) is None
    assert not drained(sessions)
    assert leave(sessions, [ConsumedQueue("wav2lip", "wav2lip")]) is not None


@pytest.mark.usefixtures("registered")
def test_jobs_that_it_cannot_run_now_do_not_keep_it(sessions):
    paused, held = build.submitted(sessions), build.submitted(sessions)
    build.change(sessions, [held], due_at=None)
    with sessions.begin() as session:
        pauses.pause(session, MODEL)
    assert leave(sessions) is not None
    come_back(sessions, Departure(by_itself=True))
    with sessions.begin() as session:
        pauses.resume(session, MODEL)

    build.change(sessions, [paused], due_at=func.now() + timedelta(hours=1))
    assert leave(sessions) is not None


@pytest.mark.usefixtures("registered")
def test_it_comes_back_unless_an_operator_had_drained_it(sessions):
    come_back(sessions, leave(sessions))
    assert not drained(sessions)

    with sessions.begin() as session:
        worker_registry.set_drained(session, NAME, drained=True)
    left = leave(sessions)
    come_back(sessions, left)

    assert left == Departure(by_itself=False)
    assert drained(sessions)


@pytest.mark.usefixtures("registered")
def test_another_process_of_the_name_cannot_make_it_leave(sessions):
    assert leave(sessions, instance="another") is None
    assert not drained(sessions)


@pytest.mark.usefixtures("registered")
def test_a_job_submitted_at_the_same_moment_is_claimed_or_stays(sessions):
    """In any order, a claim that begins after the leave was stored gets nothing."""
    outcomes = set()
    with ThreadPoolExecutor(2) as threads:
        for _ in range(ROUNDS):
            come_back(sessions, Departure(by_itself=True))
            barrier = Barrier(2)

            def go(barrier=barrier):
                barrier.wait(10)
                return leave(sessions)

            leaving = threads.submit(go)
            barrier.wait(10)
            build.submitted(sessions)
            left = leaving.result(10)
            lease = build.claim_next(sessions, worker=NAME)
            outcomes.add((left is None, lease is None))
            lease = lease or build.claim_next(sessions, worker="kinomill@other")
            assert lease is not None
    with sessions() as session:
        running = session.scalar(select(func.count()).where(Job.state == State.RUNNING))

    assert running == ROUNDS
    assert outcomes <= {(True, False), (False, True)}
