"""What a worker's parent does with jobs of children that died, hang or take too long."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func

from jobs import lease as leases
from jobs import reaper, supervision
from jobs.states import Outcome, State
from tests.jobs import build

HERE, THERE = "kinomill@here", "kinomill@there"
TASK = "job_x:1"


def expire_lease(sessions, *, worker=HERE, task_id=TASK):
    with sessions.begin() as session:
        return supervision.expire_lease(session, task_id, worker=worker)


def started(sessions, **changes):
    """A job that was claimed for a message; returns its lease."""
    return build.started(sessions, **{"worker": HERE, "task_id": TASK, "pid": 7} | changes)


def reap(sessions):
    with sessions.begin() as session:
        return reaper.reap(session, max_worker_losses=3)


def test_a_job_with_an_expired_lease_is_reaped_at_once(sessions):
    lease = started(sessions)

    assert expire_lease(sessions) == lease.job_id
    assert reap(sessions) == [lease.job_id]


def test_a_worker_expires_no_lease_of_another_worker(sessions):
    lease = started(sessions)
    with sessions.begin() as session:
        leases.preempt(session, lease)
    build.claimed(sessions, lease.job_id, worker=THERE, task_id=TASK)

    assert expire_lease(sessions) is None
    assert reap(sessions) == []


def test_the_loss_of_an_earlier_attempt_expires_no_lease(sessions):
    lease = started(sessions, task_id="job_x:2")

    assert expire_lease(sessions, task_id="job_x:1") is None
    assert expire_lease(sessions, task_id="job_x:2") == lease.job_id


def test_the_lease_of_a_final_job_is_not_expired(sessions):
    with sessions.begin() as session:
        leases.cancel(session, started(sessions))

    assert expire_lease(sessions) is None


def overdue(sessions, *, task_id=TASK, pid=7, grace=timedelta(seconds=30)):
    with sessions() as session:
        last = supervision.last_attempt(session, task_id=task_id, pid=pid, grace=grace)
    return last.job_id if last is not None and last.overdue else None


def test_an_attempt_is_overdue_when_its_cancel_was_ignored_for_the_grace(sessions):
    lease = started(sessions)
    assert overdue(sessions) is None

    build.cancel(sessions, lease.job_id)
    assert overdue(sessions) is None
    build.change(sessions, [lease.job_id], cancel_requested_at=func.now() - timedelta(seconds=31))

    assert overdue(sessions) == lease.job_id
    assert overdue(sessions, pid=8) is None
    assert overdue(sessions, task_id="job_x:2") is None


def test_an_attempt_is_overdue_when_it_ended_in_the_database_long_ago(sessions):
    lease = started(sessions)
    build.expire(sessions, lease.job_id)
    reap(sessions)

    assert overdue(sessions) is None
    assert overdue(sessions, grace=timedelta(0)) == lease.job_id


def test_only_the_last_attempt_of_a_redelivered_message_can_be_overdue(sessions):
    with sessions.begin() as session:
        leases.cancel(session, started(sessions))
    assert overdue(sessions, grace=timedelta(0)) is not None

    started(sessions)

    assert overdue(sessions, grace=timedelta(0)) is None


def time_out(sessions, *, worker=HERE):
    with sessions.begin() as session:
        limit = timedelta(minutes=30)
        return supervision.time_out(session, TASK, worker=worker, limit=limit)


def test_an_attempt_over_the_time_limit_fails_its_job(sessions):
    lease = started(sessions)

    assert time_out(sessions) == lease.job_id

    job = build.job(sessions, lease.job_id)
    assert (job.state, job.error["code"]) == (State.FAILED, "timeout")
    assert "1800 s" in job.error["detail"]
    assert build.attempt(sessions, job.id).outcome == Outcome.FAILED


def test_a_time_limit_affects_no_other_attempt(sessions):
    theirs, later = started(sessions, worker=THERE), started(sessions, task_id="job_x:2")

    assert time_out(sessions) is None

    assert [build.job(sessions, lease.job_id).state for lease in (theirs, later)] == [
        State.RUNNING
    ] * 2
