"""Messages are topped up to one per due job and to a limit per worker, whatever was lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func

from bench import seed_jobs
from jobs.fleet import worker_registry
from jobs.queue import wake_ups
from jobs.queue.broker import Broker, BrokerUnavailable
from tests.jobs import build
from tests.jobs.queue.test_broker import UNREACHABLE_URL, messages

QUEUE = "preview-lipsync"


@pytest.fixture
def broker(broker_url, redis):
    broker = Broker(broker_url)
    yield broker
    broker.close()


@pytest.fixture
def few(monkeypatch):
    """At most three messages per worker."""
    monkeypatch.setattr(wake_ups, "MESSAGES_PER_WORKER", 3)


@pytest.fixture
def many(monkeypatch):
    """As many messages as a test has jobs."""
    monkeypatch.setattr(wake_ups, "MESSAGES_PER_WORKER", 1000)


def submitted(sessions, number, **options):
    return [build.submitted(sessions, **options) for _ in range(number)]


def named(redis, queue=QUEUE):
    """The jobs that the messages of a queue name, in the order in which they are received."""
    return [message["headers"]["argsrepr"][2:-3] for message in messages(redis, queue)]


def test_each_due_job_gets_one_message_however_often_the_queue_is_topped_up(
    sessions, broker, redis, many
):
    ids = submitted(sessions, 5)

    assert [wake_ups.top_up(sessions, broker) for _ in range(3)] == [5, 0, 0]

    assert named(redis) == ids


def test_lost_messages_are_replaced(sessions, broker, redis, many):
    submitted(sessions, 5)
    wake_ups.top_up(sessions, broker)
    redis.rpop(QUEUE, 2)
    assert wake_ups.top_up(sessions, broker) == 2

    redis.flushall()

    assert wake_ups.top_up(sessions, broker) == 5


def test_a_queue_holds_a_few_messages_per_live_worker(sessions, broker, redis, few):
    submitted(sessions, 20)
    wake_ups.top_up(sessions, broker)
    alone = redis.llen(QUEUE)
    with sessions.begin() as session:
        for name, model in (("a", QUEUE), ("b", QUEUE), ("other", "wav2lip"), ("leaving", QUEUE)):
            worker_registry.register(session, name, models=[model], pid=1)
        worker_registry.drain(session, "leaving", window=timedelta(minutes=1))

    wake_ups.top_up(sessions, broker)

    assert (alone, redis.llen(QUEUE)) == (3, 6)


def test_each_queue_is_topped_up(sessions, broker, redis):
    for queue in ("a", "b", "c"):
        submitted(sessions, 2, model=queue, queue=queue)

    assert wake_ups.top_up(sessions, broker) == 6

    assert [redis.llen(queue) for queue in ("a", "b", "c")] == [2, 2, 2]


def test_concurrent_top_ups_send_each_message_once(sessions, broker, redis, many):
    submitted(sessions, 60)

    build.at_once(*[lambda: wake_ups.top_up(sessions, broker)] * 4)

    assert redis.llen(QUEUE) == 60


def test_jobs_that_no_worker_may_claim_get_no_message(sessions, broker, redis):
    build.started(sessions)
    build.succeeded(sessions)
    build.canceled(sessions)
    held, retry = submitted(sessions, 2)
    build.change(sessions, [held], due_at=None)
    build.change(sessions, [retry], due_at=func.now() + timedelta(seconds=30))

    assert wake_ups.top_up(sessions, broker) == 0

    build.make_due(sessions, retry)
    assert wake_ups.top_up(sessions, broker) == 1
    assert named(redis) == [retry]


def test_an_outage_of_the_broker_is_reported_and_changes_nothing(sessions, broker, redis):
    ids = submitted(sessions, 2)
    unreachable = Broker(UNREACHABLE_URL)

    with pytest.raises(BrokerUnavailable):
        wake_ups.top_up(sessions, unreachable)

    unreachable.close()
    wake_ups.top_up(sessions, broker)
    assert named(redis) == ids


def test_ten_thousand_waiting_jobs_never_exceed_the_limit_of_messages(
    sessions, engine, broker, redis
):
    with engine.begin() as connection:
        seed_jobs.seed(connection, waiting=20_000)

    depths = []
    for _ in range(20):
        wake_ups.top_up(sessions, broker)
        depths.append(redis.llen(seed_jobs.MODEL))

    assert set(depths) == {wake_ups.MESSAGES_PER_WORKER}


def held_job(sessions, **options):
    job_id = build.submitted(sessions, **options)
    build.change(sessions, [job_id], due_at=None)
    return job_id


def is_held(sessions, job_id):
    return build.job(sessions, job_id).due_at is None


def release_idle_accounts(sessions):
    with sessions.begin() as session:
        return wake_ups.release_idle_accounts(session)


def test_one_held_job_of_each_idle_account_is_released(sessions):
    first, second, other = (held_job(sessions, account=account) for account in "aab")
    build.submitted(sessions, account="c")

    assert release_idle_accounts(sessions) == [first, other]

    assert [is_held(sessions, job_id) for job_id in (first, second, other)] == [False, True, False]


def test_held_jobs_of_a_busy_account_stay_held(sessions):
    build.started(sessions)
    job_id = held_job(sessions)

    assert release_idle_accounts(sessions) == []
    assert is_held(sessions, job_id)
