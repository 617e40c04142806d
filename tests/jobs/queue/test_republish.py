"""Ringing again: the rows say when, and any number of reconcilers may listen to them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.queue import republish
from jobs.queue.broker import Broker, BrokerUnavailable
from jobs.states import Priority, State
from tests.jobs import build
from tests.jobs.queue.test_broker import NOBODY, messages


def due_messages(sessions, *, limit=100):
    with sessions.begin() as session:
        return republish.due_messages(session, limit=limit)


def wait_of(sessions, job_id):
    """How long the reconciler waits from now on, to the second."""
    with sessions() as session:
        now = session.scalar(republish.select(republish.func.now()))
    return round((build.job(sessions, job_id).next_dispatch_at - now).total_seconds())


@pytest.mark.parametrize(
    ("number", "seconds"), [(1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 600), (99, 600)]
)
def test_each_ring_is_waited_for_twice_as_long_up_to_ten_minutes(number, seconds):
    assert republish.backoff(number) == timedelta(seconds=seconds)


def test_a_due_job_is_rung_with_a_new_number(sessions):
    job_id = build.submitted(sessions)
    build.make_due(sessions, job_id)

    [call] = due_messages(sessions)

    assert call.task_id == f"{job_id}:2"
    assert wait_of(sessions, job_id) == pytest.approx(60, abs=3)
    assert due_messages(sessions) == []


def test_only_queued_jobs_are_rung(sessions):
    ids = [build.started(sessions).job_id, build.succeeded(sessions), build.canceled(sessions)]
    build.make_due(sessions, *ids)

    assert due_messages(sessions) == []


def test_the_longest_wait_comes_first(sessions):
    late, later = build.submitted(sessions), build.submitted(sessions)
    build.make_due(sessions, later)
    build.change(sessions, [late], next_dispatch_at=republish.func.now() - timedelta(minutes=1))

    assert [call.job_id for call in due_messages(sessions, limit=1)] == [late]
    assert [call.job_id for call in due_messages(sessions)] == [later]


def test_two_reconcilers_at_once_ring_once_for_each_job(sessions):
    ids = [build.submitted(sessions) for _ in range(60)]
    build.make_due(sessions, *ids)

    hauls = build.at_once(*[lambda: due_messages(sessions)] * 2)

    rung = [call.job_id for haul in [*hauls, due_messages(sessions)] for call in haul]
    assert sorted(rung) == sorted(ids)


def test_a_full_round_rings_for_every_job_that_is_due(sessions, broker_url, redis, monkeypatch):
    monkeypatch.setattr(republish.due_messages, "__kwdefaults__", {"limit": 2})
    ids = [build.submitted(sessions) for _ in range(5)]
    build.make_due(sessions, *ids)
    broker = Broker(broker_url)

    rung = republish.republish_due(sessions, broker, lambda: True)

    broker.close()
    assert rung == len(messages(redis, "preview-lipsync")) == 5


def test_a_round_that_is_told_to_stop_rings_no_more(sessions):
    build.make_due(sessions, build.submitted(sessions))

    assert republish.republish_due(sessions, None, lambda: False) == 0


def test_with_the_broker_away_all_that_was_not_rung_is_due_soon(sessions):
    ids = [build.submitted(sessions) for _ in range(2)]
    build.make_due(sessions, *ids)
    broker = Broker(NOBODY)

    with pytest.raises(BrokerUnavailable):
        republish.republish_due(sessions, broker, lambda: True)

    broker.close()
    assert max(wait_of(sessions, job_id) for job_id in ids) <= 2


def test_after_a_loss_of_memory_every_queued_job_is_due(sessions):
    ids = [build.submitted(sessions) for _ in range(3)]
    build.started(sessions)

    with sessions.begin() as session:
        assert republish.republish_all(session) == 3

    assert sorted(call.job_id for call in due_messages(sessions)) == sorted(ids)


def test_a_job_that_was_claimed_is_not_brought_forward(sessions):
    lease = build.started(sessions)
    before = build.job(sessions, lease.job_id).next_dispatch_at

    with sessions.begin() as session:
        republish.republish_soon(session, [lease.job_id])

    job = build.job(sessions, lease.job_id)
    assert (job.state, job.next_dispatch_at) == (State.RUNNING, before)


def parked(sessions, **options):
    job_id = build.submitted(sessions, **options)
    build.change(sessions, [job_id], next_dispatch_at=None)
    return job_id


def is_parked(sessions, job_id):
    return build.job(sessions, job_id).next_dispatch_at is None


def test_a_parked_job_is_never_rung(sessions):
    job_id = parked(sessions)

    with sessions.begin() as session:
        assert republish.republish_all(session) == 0
        republish.republish_soon(session, [job_id])

    assert due_messages(sessions) == []
    assert is_parked(sessions, job_id)


def release_idle_accounts(sessions):
    with sessions.begin() as session:
        return republish.release_idle_accounts(session)


def test_one_parked_job_of_each_account_that_runs_nothing_is_released(sessions):
    first, second, other = (parked(sessions, account=account) for account in "aab")
    build.submitted(sessions, account="c")

    assert release_idle_accounts(sessions) == [first, other]

    assert {call.job_id for call in due_messages(sessions)} == {first, other}
    assert is_parked(sessions, second)


def test_the_parked_jobs_of_an_account_that_runs_something_wait_on(sessions):
    job_id = parked(sessions)
    build.started(sessions)

    assert release_idle_accounts(sessions) == []
    assert is_parked(sessions, job_id)


def waited(sessions, minutes, **options):
    """A job that has waited so long, and is due."""
    job_id = build.submitted(sessions, **options)
    now = republish.func.now()
    build.change(sessions, [job_id], created_at=now - timedelta(minutes=minutes))
    build.make_due(sessions, job_id)
    return job_id


@pytest.mark.parametrize(
    ("priority", "minutes", "effective_priority"),
    [
        (Priority.BACKGROUND, 9, Priority.BACKGROUND),
        (Priority.BACKGROUND, 11, Priority.NORMAL),
        (Priority.BACKGROUND, 21, Priority.INTERACTIVE),
        (Priority.BACKGROUND, 900, Priority.INTERACTIVE),
        (Priority.NORMAL, 9, Priority.NORMAL),
        (Priority.NORMAL, 11, Priority.INTERACTIVE),
        (Priority.INTERACTIVE, 11, Priority.INTERACTIVE),
    ],
)
def test_waiting_makes_a_job_more_urgent(sessions, priority, minutes, effective_priority):
    waited(sessions, minutes, priority=priority)

    [call] = due_messages(sessions)

    assert call.priority == effective_priority


def test_a_job_is_rung_when_it_becomes_more_urgent(sessions):
    job_id = waited(sessions, 8, priority=Priority.BACKGROUND)
    build.change(sessions, [job_id], dispatch_no=8)

    due_messages(sessions)

    assert wait_of(sessions, job_id) == pytest.approx(120, abs=3)
