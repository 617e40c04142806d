"""Republishing: rows say when, and several processes may do it at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.queue import republish
from jobs.queue.broker import Broker, BrokerUnavailable
from jobs.states import Priority, State
from tests.jobs import build
from tests.jobs.queue.test_broker import UNREACHABLE_URL, messages


def due_messages(sessions, *, limit=100):
    with sessions.begin() as session:
        return republish.due_messages(session, limit=limit)


def wait_of(sessions, job_id):
    """Seconds until the job is due again."""
    with sessions() as session:
        now = session.scalar(republish.select(republish.func.now()))
    return round((build.job(sessions, job_id).next_dispatch_at - now).total_seconds())


@pytest.mark.parametrize(
    ("number", "seconds"), [(1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 600), (99, 600)]
)
def test_the_backoff_doubles_up_to_ten_minutes(number, seconds):
    assert republish.backoff(number) == timedelta(seconds=seconds)


def test_a_due_job_gets_a_message_with_a_new_number(sessions):
    job_id = build.submitted(sessions)
    build.make_due(sessions, job_id)

    [message] = due_messages(sessions)

    assert message.task_id == f"{job_id}:2"
    assert wait_of(sessions, job_id) == pytest.approx(60, abs=3)
    assert due_messages(sessions) == []


def test_only_queued_jobs_are_published(sessions):
    ids = [build.started(sessions).job_id, build.succeeded(sessions), build.canceled(sessions)]
    build.make_due(sessions, *ids)

    assert due_messages(sessions) == []


def test_the_job_due_longest_comes_first(sessions):
    late, later = build.submitted(sessions), build.submitted(sessions)
    build.make_due(sessions, later)
    build.change(sessions, [late], next_dispatch_at=republish.func.now() - timedelta(minutes=1))

    assert [message.job_id for message in due_messages(sessions, limit=1)] == [late]
    assert [message.job_id for message in due_messages(sessions)] == [later]


def test_two_processes_publish_each_job_once(sessions):
    ids = [build.submitted(sessions) for _ in range(60)]
    build.make_due(sessions, *ids)

    hauls = build.at_once(*[lambda: due_messages(sessions)] * 2)

    published = [message.job_id for haul in [*hauls, due_messages(sessions)] for message in haul]
    assert sorted(published) == sorted(ids)


def test_every_due_job_is_published(sessions, broker_url, redis, monkeypatch):
    monkeypatch.setattr(republish.due_messages, "__kwdefaults__", {"limit": 2})
    ids = [build.submitted(sessions) for _ in range(5)]
    build.make_due(sessions, *ids)
    broker = Broker(broker_url)

    published = republish.republish_due(sessions, broker, lambda: True)

    broker.close()
    assert published == len(messages(redis, "preview-lipsync")) == 5


def test_nothing_is_published_after_a_stop(sessions):
    build.make_due(sessions, build.submitted(sessions))

    assert republish.republish_due(sessions, None, lambda: False) == 0


def test_jobs_not_published_during_an_outage_are_due_soon(sessions):
    ids = [build.submitted(sessions) for _ in range(2)]
    build.make_due(sessions, *ids)
    broker = Broker(UNREACHABLE_URL)

    with pytest.raises(BrokerUnavailable):
        republish.republish_due(sessions, broker, lambda: True)

    broker.close()
    assert max(wait_of(sessions, job_id) for job_id in ids) <= 2


def test_after_a_flush_every_queued_job_is_due(sessions):
    ids = [build.submitted(sessions) for _ in range(3)]
    build.started(sessions)

    with sessions.begin() as session:
        assert republish.republish_all(session) == 3

    assert sorted(message.job_id for message in due_messages(sessions)) == sorted(ids)


def test_a_job_that_was_claimed_is_not_brought_forward(sessions):
    lease = build.started(sessions)
    before = build.job(sessions, lease.job_id).next_dispatch_at

    with sessions.begin() as session:
        republish.republish_soon(session, [lease.job_id])

    job = build.job(sessions, lease.job_id)
    assert (job.state, job.next_dispatch_at) == (State.RUNNING, before)


def held_job(sessions, **options):
    job_id = build.submitted(sessions, **options)
    build.change(sessions, [job_id], next_dispatch_at=None)
    return job_id


def is_held(sessions, job_id):
    return build.job(sessions, job_id).next_dispatch_at is None


def test_a_held_job_is_never_published(sessions):
    job_id = held_job(sessions)

    with sessions.begin() as session:
        assert republish.republish_all(session) == 0
        republish.republish_soon(session, [job_id])

    assert due_messages(sessions) == []
    assert is_held(sessions, job_id)


def release_idle_accounts(sessions):
    with sessions.begin() as session:
        return republish.release_idle_accounts(session)


def test_one_held_job_of_each_idle_account_is_released(sessions):
    first, second, other = (held_job(sessions, account=account) for account in "aab")
    build.submitted(sessions, account="c")

    assert release_idle_accounts(sessions) == [first, other]

    assert {message.job_id for message in due_messages(sessions)} == {first, other}
    assert is_held(sessions, second)


def test_held_jobs_of_a_busy_account_stay_held(sessions):
    job_id = held_job(sessions)
    build.started(sessions)

    assert release_idle_accounts(sessions) == []
    assert is_held(sessions, job_id)


def waited(sessions, minutes, **options):
    """A due job that has waited this long."""
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
def test_waiting_raises_the_effective_priority(sessions, priority, minutes, effective_priority):
    waited(sessions, minutes, priority=priority)

    [message] = due_messages(sessions)

    assert message.priority == effective_priority


def test_a_job_is_published_when_its_effective_priority_increases(sessions):
    job_id = waited(sessions, 8, priority=Priority.BACKGROUND)
    build.change(sessions, [job_id], dispatch_no=8)

    due_messages(sessions)

    assert wait_of(sessions, job_id) == pytest.approx(120, abs=3)
