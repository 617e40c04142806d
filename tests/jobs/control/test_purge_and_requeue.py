"""Purging a queue and running failed jobs again: nothing is lost, nothing happens twice."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from jobs import lease as leases
from jobs.control.purge import purge
from jobs.control.requeue import FailedJobs, requeue
from jobs.errors import AttemptFailed, ErrorCode
from jobs.ids import lowest_job_id
from jobs.queue import active_counts
from jobs.queue.active_counts import ActiveCounts
from jobs.queue.admission import Limits
from jobs.states import Event, State
from jobs.tables import EventRow, WebhookRow
from tests.jobs import build

MODEL = "preview-lipsync"
SOON = timedelta(minutes=1)


def purged(sessions, **options):
    before = lowest_job_id(time.time() + 60)
    with sessions.begin() as session:
        return purge(session, MODEL, MODEL, before=before, **options)


def failed(sessions, code=ErrorCode.STALLED, **changes):
    """A job that has failed; returns its id."""
    lease = build.claimed(sessions, build.submitted(sessions, **changes))
    with sessions.begin() as session:
        leases.fail(session, lease, AttemptFailed(code, "x"), max_retries=0)
    return lease.job_id


def requeued(sessions, **changes):
    now = datetime.now(UTC)
    values = {"model": MODEL, "since": now - SOON, "until": now + SOON} | changes
    with sessions.begin() as session:
        return requeue(session, FailedJobs(**values))


def test_waiting_jobs_are_canceled_with_history_and_webhook(sessions):
    running = build.started(sessions)
    waiting = build.submitted(sessions, webhook_url="https://example.com/hook")
    other = build.submitted(sessions, model="wav2lip", queue="wav2lip")

    assert purged(sessions) == [waiting]

    job = build.job(sessions, waiting)
    assert (job.state, job.expires_at - job.ended_at) == (State.CANCELED, job.ttl)
    assert build.events(sessions, waiting) == [Event.SUBMITTED, Event.CANCELED]
    assert build.job(sessions, running.job_id).state == State.RUNNING
    assert build.job(sessions, other).state == State.QUEUED
    with sessions() as session:
        message = session.scalars(select(WebhookRow)).one()
    assert (message.job_id, message.state) == (waiting, State.CANCELED)
    assert is_message_of(message.id, waiting)
    assert purged(sessions) == []


def is_message_of(message_id, job_id):
    """Whether the time in this id of a message is that of the job."""
    return len(message_id) == len("msg_") + 32 and message_id[4:16] == job_id[4:16]


def test_a_purge_can_be_that_of_one_account(sessions):
    mine, theirs = build.submitted(sessions), build.submitted(sessions, account="them")

    assert purged(sessions, account="them") == [theirs]

    assert build.job(sessions, mine).state == State.QUEUED


def test_jobs_submitted_after_the_purge_began_stay(sessions):
    job_id = build.submitted(sessions)

    with sessions.begin() as session:
        assert purge(session, MODEL, MODEL, before=job_id) == []


def test_a_purged_job_that_held_a_free_place_makes_way_for_a_held_one(sessions):
    build.submitted(sessions)
    held = build.submitted(sessions, model="wav2lip", queue="wav2lip")
    build.change(sessions, [held], due_at=None)

    purged(sessions)

    assert build.job(sessions, held).due_at is not None


def test_a_purge_and_claims_at_once_leave_each_job_with_one_of_them(sessions):
    ids = {build.submitted(sessions) for _ in range(20)}
    claims = [lambda: build.claim_next(sessions)] * 6

    canceled, *leases_ = build.at_once(lambda: purged(sessions), *claims)

    started = {lease.job_id for lease in leases_ if lease is not None}
    assert not started & set(canceled)
    rest = set(purged(sessions))
    assert started | set(canceled) | rest == ids


def test_failed_jobs_are_run_again_once(sessions):
    stalled, other = failed(sessions), failed(sessions, code=ErrorCode.MODEL_ERROR)
    build.succeeded(sessions)

    [again] = requeued(sessions, code="stalled")

    old, new = build.job(sessions, stalled), build.job(sessions, again)
    assert (old.state, new.state, new.attempt) == (State.FAILED, State.QUEUED, 0)
    assert (new.input, new.labels, new.priority) == (old.input, old.labels, old.priority)
    assert new.retry_of == stalled
    with sessions() as session:
        event = session.scalars(select(EventRow).where(EventRow.job_id == again)).one()
    assert event.details == {"model": MODEL, "retry_of": stalled}
    assert requeued(sessions, code="stalled") == []
    assert len(requeued(sessions)) == 1
    assert build.job(sessions, other).state == State.FAILED


def test_only_failures_of_the_given_time_and_account_are_run_again(sessions):
    failed(sessions, account="me")
    theirs = failed(sessions, account="them")
    past = datetime.now(UTC) - timedelta(hours=1)

    assert requeued(sessions, until=past) == []
    assert requeued(sessions, since=datetime.now(UTC) + SOON) == []
    [again] = requeued(sessions, account="them")
    assert build.job(sessions, again).account == build.job(sessions, theirs).account


def test_a_job_whose_inputs_have_expired_is_not_run_again(sessions):
    build.change(sessions, [failed(sessions)], expires_at=func.now() - SOON)
    build.change(sessions, [failed(sessions)], expired_at=func.now())

    assert requeued(sessions) == []


def test_two_requeues_at_once_create_each_job_once(sessions):
    for _ in range(5):
        failed(sessions)

    results = build.at_once(*[lambda: requeued(sessions)] * 4)

    assert sum(len(created) for created in results) == 5
    assert build.count(sessions, State.QUEUED) == 5


def test_a_remembered_count_of_active_jobs_contains_those_that_run_again(sessions, monkeypatch):
    monkeypatch.setattr(active_counts, "MIN_REMEMBERED", 1)
    counts, limits = ActiveCounts(), Limits(3, 10**9, timedelta(days=1))
    failed(sessions)
    for _ in range(2):
        build.submit(sessions, build.submission(), limits=limits, counts=counts)
    assert len(requeued(sessions)) == 1

    [refused] = build.submit(sessions, build.submission(), limits=limits, counts=counts)

    assert refused.code == ErrorCode.ACCOUNT_LIMIT
