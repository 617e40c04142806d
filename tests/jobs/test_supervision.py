"""What a worker's parent does with jobs of children that died, hang or take too long."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func

from jobs import lease as leases
from jobs import reaper, supervision
from jobs.states import Outcome, State
from tests.jobs import build

TTL = timedelta(seconds=60)


def expire_lease(sessions, job_id, worker):
    with sessions.begin() as session:
        return supervision.expire_lease(session, job_id, worker=worker)


def test_a_job_with_an_expired_lease_is_reaped_at_once(sessions):
    lease = build.started(sessions, worker="kinomill@here")

    assert expire_lease(sessions, lease.job_id, "kinomill@here")
    with sessions.begin() as session:
        assert reaper.reap(session, max_worker_losses=3) == [lease.job_id]


def test_a_worker_expires_no_lease_of_another_worker(sessions):
    lease = build.started(sessions, worker="kinomill@here")
    with sessions.begin() as session:
        leases.preempt(session, lease)
    build.claimed(sessions, lease.job_id, worker="kinomill@there")

    assert not expire_lease(sessions, lease.job_id, "kinomill@here")
    with sessions.begin() as session:
        assert reaper.reap(session, max_worker_losses=3) == []


def called(sessions, task_id, *, pid=7):
    """A job that was claimed for this message; returns its lease."""
    job_id = build.submitted(sessions)
    with sessions.begin() as session:
        return leases.claim(
            session, job_id, worker="kinomill@here", pid=pid, ttl=TTL, task_id=task_id
        )


def test_the_loss_of_an_earlier_attempt_expires_no_lease(sessions):
    lease = called(sessions, "job_x:2")

    for task_id, expired in (("job_x:1", False), ("job_x:2", True)):
        with sessions.begin() as session:
            found = supervision.expire_lease(
                session, lease.job_id, worker="kinomill@here", task_id=task_id
            )
        assert found == expired


def overdue(sessions, lease, *, task_id="job_x:1", pid=7, grace=timedelta(seconds=30)):
    with sessions() as session:
        return supervision.overdue(session, lease.job_id, task_id=task_id, pid=pid, grace=grace)


def test_an_attempt_is_overdue_when_its_cancel_was_ignored_for_the_grace(sessions):
    lease = called(sessions, "job_x:1")
    assert not overdue(sessions, lease)

    build.cancel(sessions, lease.job_id)
    assert not overdue(sessions, lease)
    build.change(sessions, [lease.job_id], cancel_requested_at=func.now() - timedelta(seconds=31))

    assert overdue(sessions, lease)
    assert not overdue(sessions, lease, pid=8)
    assert not overdue(sessions, lease, task_id="job_x:2")


def test_an_attempt_is_overdue_when_it_ended_in_the_database_long_ago(sessions):
    lease = called(sessions, "job_x:1")
    build.expire(sessions, lease.job_id)
    with sessions.begin() as session:
        reaper.reap(session, max_worker_losses=3)

    assert not overdue(sessions, lease)
    assert overdue(sessions, lease, grace=timedelta(0))


def test_the_lease_of_a_final_job_is_not_expired(sessions):
    assert not expire_lease(sessions, build.succeeded(sessions), "kinomill@test")


def time_out(sessions, job_id, worker):
    with sessions.begin() as session:
        return supervision.time_out(session, job_id, worker=worker, limit=timedelta(minutes=30))


def test_an_attempt_over_the_time_limit_fails_its_job(sessions):
    lease = build.started(sessions, worker="kinomill@here")

    assert time_out(sessions, lease.job_id, "kinomill@here")

    job = build.job(sessions, lease.job_id)
    assert (job.state, job.error["code"]) == (State.FAILED, "timeout")
    assert "1800 s" in job.error["detail"]
    assert build.attempt(sessions, job.id).outcome == Outcome.FAILED


def test_a_time_limit_affects_no_attempt_of_another_worker(sessions):
    lease = build.started(sessions, worker="kinomill@there")

    assert not time_out(sessions, lease.job_id, "kinomill@here")
    assert not time_out(sessions, build.succeeded(sessions), "kinomill@test")
    assert build.job(sessions, lease.job_id).state == State.RUNNING
