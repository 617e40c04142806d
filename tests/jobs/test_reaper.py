"""Jobs whose worker died are recovered, a limited number of times."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from jobs import reaper
from jobs.ids import new_job_id
from jobs.states import Event, Outcome, State
from jobs.tables import Attempt, EventRow, Job
from tests.jobs import build


def reap(sessions, *, losses=3, limit=100):
    with sessions.begin() as session:
        return reaper.reap(session, max_worker_losses=losses, limit=limit)


def lost(sessions, job_id):
    """Let a worker claim this job and die."""
    build.claimed(sessions, job_id)
    build.expire(sessions, job_id)


def test_a_job_whose_lease_ran_out_is_queued_again_and_due_at_once(sessions):
    job_id = build.submitted(sessions)
    lost(sessions, job_id)

    assert reap(sessions) == [job_id]

    job, attempt = build.job(sessions, job_id), build.attempt(sessions, job_id)
    assert (job.state, job.worker_losses, job.lease_token) == (State.QUEUED, 1, None)
    assert (attempt.outcome, attempt.ended_at) == (Outcome.LOST, job.due_at)
    assert build.events(sessions, job_id)[-1] == Event.REQUEUED


def test_the_third_loss_fails_the_job(sessions):
    job_id = build.submitted(sessions)

    for _ in range(3):
        lost(sessions, job_id)
        reap(sessions)

    job = build.job(sessions, job_id)
    assert (job.state, job.attempt) == (State.FAILED, 3)
    assert job.error["code"] == "worker_lost"
    assert "3 times" in job.error["detail"]
    assert build.attempt(sessions, job_id, 3).error == job.error
    assert build.events(sessions, job_id)[-1] == Event.FAILED


def test_a_lost_job_with_a_cancel_request_is_canceled(sessions):
    lease = build.started(sessions)
    build.cancel(sessions, lease.job_id)
    build.expire(sessions, lease.job_id)

    reap(sessions, losses=1)

    job = build.job(sessions, lease.job_id)
    assert (job.state, job.error, job.worker_losses) == (State.CANCELED, None, 0)
    assert build.attempt(sessions, job.id).outcome == Outcome.CANCELED


@pytest.mark.parametrize("losses", [1, 3])
def test_a_job_that_the_reaper_ends_expires_and_one_that_it_queues_does_not(sessions, losses):
    lease = build.started(sessions)
    build.change(sessions, [lease.job_id], ttl=timedelta(hours=3))
    build.expire(sessions, lease.job_id)

    reap(sessions, losses=losses)

    job = build.job(sessions, lease.job_id)
    lasts = job.expires_at - job.ended_at if job.ended_at else None
    assert lasts == (timedelta(hours=3) if losses == 1 else None)


def test_live_leases_and_waiting_jobs_are_left_alone(sessions):
    running = build.started(sessions).job_id
    build.submitted(sessions)

    assert reap(sessions) == []

    assert build.job(sessions, running).state == State.RUNNING


def test_a_reaper_takes_no_more_than_its_limit(sessions):
    jobs = [build.started(sessions).job_id for _ in range(3)]
    build.expire(sessions, *jobs)

    assert len(reap(sessions, limit=2)) == 2
    assert len(reap(sessions, limit=2)) == 1


def test_two_concurrent_reapers_recover_each_of_300_jobs_once(sessions):
    ids = expired(sessions, 300)

    hauls = build.at_once(*[lambda: reap(sessions, limit=300)] * 2)

    taken = [job_id for haul in hauls for job_id in haul]
    left = reap(sessions, limit=300)
    assert sorted(taken + left) == ids
    with sessions() as session:
        requeued = select(func.count()).where(EventRow.kind == Event.REQUEUED)
        assert session.scalar(requeued) == 300
        assert session.scalar(select(func.sum(Job.worker_losses))) == 300


def test_a_reaper_does_not_wait_for_a_worker_that_writes(sessions):
    held, free = build.started(sessions).job_id, build.started(sessions).job_id
    build.expire(sessions, held, free)

    with sessions.begin() as writer:
        writer.execute(select(Job).where(Job.id == held).with_for_update())
        taken = reap(sessions)

    assert taken == [free]


@pytest.mark.parametrize("losses", [1, 2])
def test_the_number_of_allowed_losses_is_configurable(sessions, losses):
    job_id = build.submitted(sessions)

    for _ in range(losses):
        lost(sessions, job_id)
        reap(sessions, losses=losses)

    assert build.job(sessions, job_id).state == State.FAILED


def expired(sessions, number):
    """Many running jobs with an expired lease; returns their ids in order."""
    common = {"account": "local", "model": "script", "queue": "script", "body_hash": "0"}
    past = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, 9)
    token = func.gen_random_uuid()
    ids = sorted(new_job_id() for _ in range(number))
    with sessions.begin() as session:
        session.execute(
            insert(Job).values(
                input={},
                labels={},
                state=State.RUNNING,
                attempt=1,
                lease_token=token,
                lease_until=past,
                due_at=past,
                **common,
            ),
            [{"id": job_id} for job_id in ids],
        )
        session.execute(
            insert(Attempt).values(number=1, token=token, worker="kinomill@test", pid=1),
            [{"job_id": job_id} for job_id in ids],
        )
    return ids
