"""Queue position, estimated wait and load of a queue."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, text, update

from jobs.fleet import worker_registry
from jobs.queue import estimate, snapshot
from jobs.states import Priority
from jobs.tables import Attempt, Job, Worker
from tests.jobs import build

NOW = datetime.now(UTC)
MODEL = "preview-lipsync"


@pytest.fixture
def no_workers(sessions):
    with sessions.begin() as session:
        session.execute(delete(Worker))


pytestmark = pytest.mark.usefixtures("no_workers")


def waiting(sessions, minutes, priority=Priority.NORMAL, **options):
    """Submit a job whose id says that it has waited this long; returns its id."""
    job_id = build.submitted(sessions, priority=priority, **options)
    moment = int((NOW - timedelta(minutes=minutes)).timestamp() * 1000)
    older = f"job_{moment:012x}{job_id[16:]}"
    with sessions.begin() as session:
        session.execute(text("DELETE FROM events"))
        session.execute(update(Job).where(Job.id == job_id).values(id=older))
    return older


def estimate_of(sessions, job_id):
    priority = build.job(sessions, job_id).priority
    return build.queues(sessions)[MODEL].estimate(job_id, priority, now=NOW.timestamp())


def start_workers(sessions, *names, models=(MODEL,)):
    with sessions.begin() as session:
        for name in names:
            worker_registry.register(session, name, models=models, pid=1)


def ran(sessions, *seconds):
    """Succeeded jobs with these run times."""
    for length in seconds:
        job_id = build.succeeded(sessions)
        began = Attempt.ended_at - timedelta(seconds=length)
        with sessions.begin() as session:
            session.execute(
                update(Attempt).where(Attempt.job_id == job_id).values(started_at=began)
            )


def test_jobs_run_in_order_of_effective_priority_then_age(sessions):
    order = [
        waiting(sessions, 25, Priority.BACKGROUND),
        waiting(sessions, 12),
        waiting(sessions, 1, Priority.INTERACTIVE),
        waiting(sessions, 19, Priority.BACKGROUND),
        waiting(sessions, 9),
        waiting(sessions, 0),
        waiting(sessions, 9, Priority.BACKGROUND),
        waiting(sessions, 8, Priority.BACKGROUND),
    ]

    assert [estimate_of(sessions, job_id).position for job_id in order] == list(range(1, 9))


def test_other_queues_and_jobs_that_run_or_ended_are_not_counted(sessions):
    waiting(sessions, 5, queue="other")
    for make in (build.succeeded, build.canceled, build.started):
        make(sessions)

    seen = estimate_of(sessions, waiting(sessions, 1))

    assert (seen.position, seen.position_is_lower_bound) == (1, False)


def test_a_position_is_exact_up_to_a_limit(sessions, monkeypatch):
    monkeypatch.setattr(snapshot, "MAX_POSITION", 3)
    ids = [waiting(sessions, minutes) for minutes in (9, 8, 7, 6, 5)]

    seen = [estimate_of(sessions, job_id) for job_id in ids]

    assert [look.position for look in seen] == [1, 2, 3, 3, 3]
    assert [look.position_is_lower_bound for look in seen] == [False, False, False, True, True]


def test_an_estimate_uses_the_last_successful_jobs(sessions):
    start_workers(sessions, "one", "two")
    ran(sessions, 10, 20, 30, 40, 50)
    waiting(sessions, 5)

    seen = estimate_of(sessions, waiting(sessions, 1))

    assert (seen.position, seen.workers, seen.cold_start) == (2, 2, False)
    assert seen.eta_p50_seconds == pytest.approx(30, abs=0.1)
    assert seen.eta_p90_seconds == pytest.approx(46, abs=0.1)


def test_older_successful_jobs_are_ignored(sessions, monkeypatch):
    monkeypatch.setattr(snapshot, "SAMPLE_SIZE", 1)
    ran(sessions, 100, 7)

    seen = estimate_of(sessions, waiting(sessions, 1))

    assert seen.eta_p50_seconds == pytest.approx(7, abs=0.1)


def test_without_successful_jobs_there_is_no_estimate(sessions):
    seen = estimate_of(sessions, waiting(sessions, 1))

    assert (seen.eta_p50_seconds, seen.eta_p90_seconds) == (None, None)


def test_without_a_worker_of_the_model_it_is_a_cold_start(sessions):
    start_workers(sessions, "other", models=["wav2lip"])
    ran(sessions, 10)

    seen = estimate_of(sessions, waiting(sessions, 1))

    assert (seen.workers, seen.cold_start) == (0, True)
    assert seen.eta_p50_seconds == pytest.approx(10, abs=0.1)


def test_a_load_counts_waiting_jobs(sessions):
    start_workers(sessions, "one", "two")
    ran(sessions, 10)
    for _ in range(4):
        build.submitted(sessions)

    seen = build.queues(sessions)[MODEL].load
    capped = build.queues(sessions, count_to=3)[MODEL].load

    assert (seen.waiting, seen.workers) == (4, 2)
    assert seen.wait_seconds == pytest.approx(20, abs=0.1)
    assert capped.waiting == 3


def test_an_empty_queue_has_no_load(sessions):
    assert build.queues(sessions, "nothing")["nothing"].load == estimate.QueueLoad(0, 0, None)


def test_jobs_of_this_process_are_counted_before_the_next_snapshot(sessions):
    waiting(sessions, 1)
    state = build.queues(sessions)[MODEL]
    second, third = build.submitted(sessions), build.submitted(sessions)

    for job_id in (second, third):
        state.add(job_id, Priority.NORMAL)

    now = time.time()
    assert [state.estimate(one, Priority.NORMAL, now=now).position for one in (second, third)] == [
        2,
        3,
    ]
    assert state.load.waiting == 3


def test_running_jobs_are_counted_by_model(sessions):
    build.started(sessions)

    assert build.queues(sessions)[MODEL].running == 1


def test_a_job_from_the_future_keeps_its_priority():
    assert estimate.effective_priority(Priority.NORMAL, timedelta(minutes=-1)) == Priority.NORMAL
