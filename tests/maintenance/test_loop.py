"""The maintenance loop on real servers: recovers jobs, publishes messages, survives outages."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import cast, func, select, update
from sqlalchemy.dialects.postgresql import JSONB
from structlog.testing import capture_logs

from jobs.batches import service
from jobs.batches.rows import NewRow
from jobs.batches.tables import BatchRow
from jobs.fleet import worker_registry
from jobs.metrics.tables import MetricSample
from jobs.queue.broker import Broker, BrokerUnavailable
from jobs.queue.end_hints import CHANNEL, EndHints, ended_ids
from jobs.queue.wake_ups import MESSAGES_PER_WORKER
from jobs.states import State
from jobs.tables import Worker
from maintenance.loop import MaintenanceLoop
from maintenance.periodic import Failures
from runtime.database import create_database_engine, create_session_factory
from runtime.metrics.api import JOBS_ENDED, MAINTENANCE_ERRORS
from tests.jobs import build
from tests.jobs.metrics.reading import counts
from tests.jobs.queue.test_broker import UNREACHABLE_URL, messages
from tests.waiting import until

QUEUE = "preview-lipsync"


@pytest.fixture
def broker(broker_url, redis):
    broker = Broker(broker_url)
    yield broker
    broker.close()


@pytest.fixture
def unreachable():
    broker = Broker(UNREACHABLE_URL)
    yield broker
    broker.close()


@pytest.fixture
def running():
    """Run maintenance loops in threads; stop and join them at the end."""
    started = []

    def start(maintenance):
        thread = threading.Thread(target=maintenance.run)
        thread.start()
        started.append((maintenance, thread))
        return thread

    yield start
    for maintenance, thread in started:
        maintenance.stop()
        thread.join(30)
        assert not thread.is_alive()


def maintenance_loop(sessions, broker, **options):
    return MaintenanceLoop(sessions, broker, 3, **{"period_seconds": 0.05} | options)


def published(redis):
    return len(messages(redis, QUEUE))


def test_a_round_recovers_a_lost_job_and_publishes_it(sessions, broker, redis):
    lease = build.started(sessions)
    build.expire(sessions, lease.job_id)

    maintenance_loop(sessions, broker).run_once()

    assert build.job(sessions, lease.job_id).state == State.QUEUED
    assert published(redis) == 1


def test_after_the_broker_was_flushed_every_queued_job_is_published_once(sessions, broker, redis):
    maintenance = maintenance_loop(sessions, broker)
    for _ in range(5):
        build.submitted(sessions)
    maintenance.run_once()

    redis.flushall()
    maintenance.run_once()
    again = published(redis)
    maintenance.run_once()

    assert again == published(redis) == 5


def test_a_round_publishes_nothing_when_no_job_is_due(sessions, broker, redis):
    build.started(sessions)
    build.change(sessions, [build.submitted(sessions)], due_at=None)

    maintenance_loop(sessions, broker).run_once()

    assert published(redis) == 0


def test_a_batch_of_a_later_release_stops_neither_other_batches_nor_wake_ups(
    sessions, broker, redis
):
    batches = [stored_batch(sessions, account) for account in ("a", "b")]
    change = {"submission": BatchRow.submission.op("||")(cast({"later": 1}, JSONB))}
    with sessions.begin() as session:
        session.execute(update(BatchRow).where(BatchRow.batch_id == batches[0]).values(change))

    with capture_logs() as logs:
        maintenance_loop(sessions, broker, limits=build.NO_LIMITS).run_once()

    assert logged(logs, "task failed")
    assert (build.count(sessions, State.QUEUED), published(redis)) == (1, 1)


def stored_batch(sessions, account):
    row = NewRow(1, build.submission(account=account))
    with sessions.begin() as session:
        return service.store(session, service.NewBatch(account, [row], "0"))[0].id


def test_whoever_waits_for_a_job_learns_that_the_reaper_has_ended_it(
    sessions, broker, broker_url, redis
):
    lease = build.started(sessions)
    build.expire(sessions, lease.job_id)
    hints = EndHints(broker_url)
    with redis.pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe(CHANNEL)
        subscriber.get_message(timeout=1)

        maintenance_loop(sessions, broker, hints=hints).run_once()
        message = subscriber.get_message(timeout=5)

    hints.close()
    assert ended_ids(message["data"]) == [lease.job_id]


def test_a_lost_job_is_recovered_while_the_broker_is_unavailable(sessions, unreachable):
    lease = build.started(sessions)
    build.expire(sessions, lease.job_id)

    with pytest.raises(BrokerUnavailable):
        maintenance_loop(sessions, unreachable).run_once()

    assert build.job(sessions, lease.job_id).state == State.QUEUED


def test_the_loop_survives_an_unavailable_broker(sessions, broker, unreachable, redis, running):
    job_id = build.submitted(sessions)
    build.make_due(sessions, job_id)
    maintenance = maintenance_loop(sessions, unreachable)
    with capture_logs() as logs:
        running(maintenance)
        until(lambda: logged(logs, "broker unavailable"), what="the warning")

    maintenance.broker = broker

    until(lambda: published(redis), what="the message")


def test_the_loop_survives_an_unavailable_database(sessions, broker, redis, running):
    engine = create_database_engine("postgresql://nobody@127.0.0.1:1/nothing")
    maintenance = maintenance_loop(create_session_factory(engine), broker)
    with capture_logs() as logs:
        running(maintenance)
        until(lambda: logged(logs, "database unavailable"), what="the warning")

    maintenance.sessions = sessions
    build.make_due(sessions, build.submitted(sessions))

    until(lambda: published(redis), what="the message")
    engine.dispose()


def test_the_loop_survives_an_unexpected_error(sessions, running):
    class Odd:
        def lengths(self, queues):
            raise ValueError("unexpected")

    with capture_logs() as logs:
        running(maintenance_loop(sessions, Odd()))
        until(lambda: logged(logs, "task failed", times=2), what="the second try")


def logged(logs, words, *, times=1):
    return sum(words in entry["event"] for entry in logs) >= times


def test_a_stop_ends_the_loop_at_once(sessions, broker, redis):
    maintenance = maintenance_loop(sessions, broker, period_seconds=60)
    build.submitted(sessions)
    thread = threading.Thread(target=maintenance.run)
    thread.start()
    until(lambda: published(redis), what="the first round")

    maintenance.stop()
    thread.join(30)  # less than a period

    assert not thread.is_alive()


def test_two_loops_requeue_each_job_once(sessions, broker, redis, running):
    leases = [build.started(sessions) for _ in range(40)]
    build.expire(sessions, *[lease.job_id for lease in leases])

    for _ in range(2):
        running(maintenance_loop(sessions, broker))

    def losses():
        return [build.job(sessions, lease.job_id).worker_losses for lease in leases]

    until(lambda: losses() == [1] * 40, what="forty jobs in the queue")
    until(lambda: published(redis) >= MESSAGES_PER_WORKER, what="the messages")
    assert losses() == [1] * 40
    assert published(redis) <= 2 * MESSAGES_PER_WORKER


def test_the_loop_releases_held_jobs_and_deletes_stale_workers(sessions, broker, redis, running):
    job_id = build.submitted(sessions)
    build.change(sessions, [job_id], due_at=None)
    with sessions.begin() as session:
        worker_registry.register(session, "stale", models=["m"], pid=1)
        session.execute(update(Worker).values(seen_at=func.now() - timedelta(hours=2)))

    running(maintenance_loop(sessions, broker))

    until(lambda: published(redis), what="the message")
    with sessions() as session:
        assert session.get(Worker, "stale") is None


def test_the_heartbeat_file_is_touched_after_each_round(sessions, unreachable, tmp_path):
    alive = tmp_path / "alive"
    loop = MaintenanceLoop(sessions, unreachable, 3, period_seconds=0.01, heartbeat_file=alive)
    runner = threading.Thread(target=loop.run)
    runner.start()
    until(alive.exists, what="the first round")
    alive.unlink()

    until(alive.exists, what="another round")
    loop.stop()
    runner.join(30)

    assert not runner.is_alive()


def test_a_heartbeat_file_that_cannot_be_touched_does_not_end_maintenance(
    sessions, unreachable, tmp_path
):
    alive = tmp_path / "later" / "alive"
    loop = MaintenanceLoop(sessions, unreachable, 3, period_seconds=0.01, heartbeat_file=alive)
    runner = threading.Thread(target=loop.run)
    with capture_logs() as logs:
        runner.start()
        until(lambda: any(line.get("task") == "heartbeat file" for line in logs), what="the error")
        alive.parent.mkdir()
        until(alive.exists, what="another round")
        loop.stop()
        runner.join(30)

    assert not runner.is_alive()


def test_samples_and_failures_are_added_to_the_totals(sessions, broker, monkeypatch):
    failures = Failures()
    failures.add("broker")
    monkeypatch.setattr("maintenance.loop.FAILURES", failures)
    build.canceled(sessions)

    loop = maintenance_loop(sessions, broker)
    loop.add_up_metrics()
    loop.add_up_metrics()

    with sessions() as session:
        assert session.scalar(select(func.count()).select_from(MetricSample)) == 0
    assert counts(sessions, MAINTENANCE_ERRORS) == {"broker": 1}
    assert counts(sessions, JOBS_ENDED) == {"canceled": 1}
