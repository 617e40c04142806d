"""A job is started before its deadline or fails at it, never both."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from jobs.queue.start_deadline import fail_late
from jobs.states import Event, State
from jobs.tables import Attempt, Job
from jobs.webhooks.outbox import WebhookRow
from tests.jobs import build

RACES = 200


def fail(sessions, **options):
    with sessions.begin() as session:
        return fail_late(session, **options)


def late(sessions, **changes):
    """A job whose deadline has just passed."""
    job_id = build.submitted(sessions, start_within_seconds=60, **changes)
    build.change(sessions, [job_id], start_by=func.now())
    return job_id


def test_a_late_job_fails_with_its_code_event_and_message(sessions):
    job_id = late(sessions, webhook_url="https://example.com/end")

    assert fail(sessions) == [job_id]

    job = build.job(sessions, job_id)
    assert (job.state, job.attempt, job.started_at) == (State.FAILED, 0, None)
    assert (job.error["code"], job.error["retryable"]) == ("not_started_in_time", True)
    assert job.expires_at == job.ended_at + job.ttl
    assert build.events(sessions, job_id) == [Event.SUBMITTED, Event.FAILED]
    with sessions() as session:
        assert session.scalar(select(WebhookRow.state)) == State.FAILED
    assert fail(sessions) == []


def test_a_job_in_time_and_one_without_a_deadline_stay(sessions):
    build.submitted(sessions, start_within_seconds=60)
    build.submitted(sessions)

    assert fail(sessions) == []


def test_the_deadline_counts_from_the_submission(sessions):
    job = build.job(sessions, build.submitted(sessions, start_within_seconds=90))

    assert job.start_by == job.created_at + timedelta(seconds=90)


def test_a_late_job_is_never_claimed(sessions):
    late(sessions)
    other = build.submitted(sessions)

    assert build.claim_next(sessions).job_id == other
    assert build.claim_next(sessions) is None
    late(sessions)
    assert build.claim_next(sessions, max_running=5) is None


def test_a_job_that_was_started_and_is_queued_again_has_no_deadline_any_more(sessions):
    job_id = build.submitted(sessions, start_within_seconds=60)
    build.claimed(sessions, job_id)
    build.change(sessions, [job_id], state=State.QUEUED, lease_token=None, start_by=func.now())

    assert fail(sessions) == []
    assert build.claimed(sessions, job_id).job_id == job_id


def test_a_late_job_gives_its_place_to_a_held_one(sessions):
    late(sessions)
    held = build.submitted(sessions)
    build.change(sessions, [held], due_at=None)

    fail(sessions)

    assert build.job(sessions, held).due_at is not None


def test_no_more_than_the_limit_fail_at_once(sessions):
    jobs = [late(sessions) for _ in range(3)]

    assert fail(sessions, limit=2) == jobs[:2]


def test_the_index_of_deadlines_is_read(sessions):
    with sessions.begin() as session:
        # An empty table: other partial indexes cost the same, but their rows must be sorted.
        for way in ("seqscan", "bitmapscan", "sort"):
            session.execute(text(f"SET LOCAL enable_{way} = off"))
        plan = "\n".join(
            session.scalars(
                text(
                    "EXPLAIN SELECT id FROM jobs WHERE state = 'queued' AND started_at IS NULL AND "
                    "start_by IS NOT NULL AND start_by <= now() ORDER BY start_by LIMIT 100"
                )
            )
        )

    assert "ix_jobs_start_by" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("max_running", [None, 1000])
def test_claims_and_the_reaper_never_take_the_same_job(sessions, max_running):
    ids = [build.submitted(sessions, start_within_seconds=60) for _ in range(RACES)]
    with sessions.begin() as session:  # deadlines pass one after another while workers claim
        for number, job_id in enumerate(ids):
            start_by = func.clock_timestamp() + timedelta(milliseconds=5 * number)
            session.execute(
                Job.__table__.update().where(Job.id == job_id).values(start_by=start_by)
            )
    ends = time.monotonic() + 30

    def unsettled():
        with sessions() as session:
            return session.scalar(select(func.count()).where(Job.state == State.QUEUED))

    def work():
        while time.monotonic() < ends and unsettled():
            build.claim_next(sessions, max_running=max_running)
            time.sleep(0.004)

    def reap():
        while time.monotonic() < ends and unsettled():
            fail(sessions)

    assert build.at_once(work, work, reap, reap) == [None] * 4

    with sessions() as session:
        jobs = list(session.scalars(select(Job)))
        attempts = set(session.scalars(select(Attempt.job_id)))
    assert len(jobs) == RACES
    for job in jobs:
        started = job.id in attempts
        assert job.state == (State.RUNNING if started else State.FAILED)
        assert not started or job.started_at < job.start_by
        assert started or job.ended_at >= job.start_by
        assert len(build.events(sessions, job.id)) == 2
    assert 0 < len(attempts) < RACES
