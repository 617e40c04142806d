"""Maintenance, on real servers: takes back, remembers, rings; and waits out an outage."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import func, update
from structlog.testing import capture_logs

from jobs.fleet import worker_registry
from jobs.queue.broker import Broker, BrokerUnavailable
from jobs.states import State
from jobs.tables import Worker
from maintenance.loop import MaintenanceLoop
from runtime.database import create_database_engine, create_session_factory
from tests.jobs import build
from tests.jobs.queue.test_broker import NOBODY, messages
from tests.waiting import until

QUEUE = "preview-lipsync"


@pytest.fixture
def broker(broker_url, redis):
    broker = Broker(broker_url)
    yield broker
    broker.close()


@pytest.fixture
def silent():
    broker = Broker(NOBODY)
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


def keeper(sessions, broker, **options):
    return MaintenanceLoop(sessions, broker, 3, **{"period_seconds": 0.05} | options)


def rings(redis):
    return len(messages(redis, QUEUE))


def test_a_sweep_takes_back_a_lost_job_and_rings_for_it(sessions, broker, redis):
    lease = build.started(sessions)
    build.expire(sessions, lease.job_id)
    broker.mark()

    keeper(sessions, broker).sweep()

    assert build.job(sessions, lease.job_id).state == State.QUEUED
    assert rings(redis) == 1


def test_after_the_broker_lost_its_memory_every_queued_job_is_rung_again(sessions, broker, redis):
    maintenance = keeper(sessions, broker)
    for _ in range(5):
        build.submitted(sessions)
    maintenance.sweep()

    redis.flushall()
    maintenance.sweep()
    again = rings(redis)
    maintenance.sweep()

    assert again == rings(redis) == 5


def test_a_sweep_with_nothing_to_do_rings_nobody(sessions, broker, redis):
    broker.mark()
    build.submitted(sessions)

    keeper(sessions, broker).sweep()

    assert rings(redis) == 0


def test_a_lost_job_is_taken_back_although_the_broker_is_away(sessions, silent):
    lease = build.started(sessions)
    build.expire(sessions, lease.job_id)

    with pytest.raises(BrokerUnavailable):
        keeper(sessions, silent).sweep()

    assert build.job(sessions, lease.job_id).state == State.QUEUED


def test_the_loop_outlives_a_broker_that_is_away(sessions, broker, silent, redis, running):
    job_id = build.submitted(sessions)
    build.make_due(sessions, job_id)
    maintenance = keeper(sessions, silent)
    with capture_logs() as logs:
        running(maintenance)
        until(lambda: said(logs, "broker unavailable"), what="the warning")

    maintenance.broker = broker

    until(lambda: rings(redis), what="the ring")


def test_the_loop_outlives_a_database_that_is_away(sessions, broker, redis, running):
    engine = create_database_engine("postgresql://nobody@127.0.0.1:1/nothing")
    maintenance = keeper(create_session_factory(engine), broker)
    with capture_logs() as logs:
        running(maintenance)
        until(lambda: said(logs, "database unavailable"), what="the warning")

    maintenance.sessions = sessions
    build.make_due(sessions, build.submitted(sessions))

    until(lambda: rings(redis), what="the ring")
    engine.dispose()


def test_the_loop_outlives_a_surprise(sessions, running):
    class Odd:
        def was_flushed(self):
            raise ValueError("unheard of")

    with capture_logs() as logs:
        running(keeper(sessions, Odd()))
        until(lambda: said(logs, "sweep failed", times=2), what="the second try")


def said(logs, words, *, times=1):
    return sum(words in entry["event"] for entry in logs) >= times


def test_a_stop_ends_the_loop_at_once(sessions, broker, redis):
    maintenance = keeper(sessions, broker, period_seconds=60)
    thread = threading.Thread(target=maintenance.run)
    thread.start()
    until(lambda: not broker.was_flushed(), what="the first sweep")

    start = time.monotonic()
    maintenance.stop()
    thread.join(30)

    assert time.monotonic() - start < 3


def test_two_maintenance_processes_ring_once_for_each_job(sessions, broker, redis, running):
    broker.mark()
    leases = [build.started(sessions) for _ in range(40)]
    build.expire(sessions, *[lease.job_id for lease in leases])

    for _ in range(2):
        running(keeper(sessions, broker))

    until(lambda: rings(redis) == 40, what="forty rings")
    losses = [build.job(sessions, lease.job_id).worker_losses for lease in leases]
    assert losses == [1] * 40


def test_the_loop_releases_parked_jobs_and_forgets_workers(sessions, broker, redis, running):
    broker.mark()
    job_id = build.submitted(sessions)
    build.change(sessions, [job_id], next_dispatch_at=None)
    with sessions.begin() as session:
        worker_registry.register(session, "gone", models=["m"], pid=1)
        session.execute(update(Worker).values(seen_at=func.now() - timedelta(hours=2)))

    running(keeper(sessions, broker))

    until(lambda: rings(redis), what="the ring")
    with sessions() as session:
        assert session.get(Worker, "gone") is None


def test_it_leaves_a_sign_of_life_after_each_round(sessions, silent, tmp_path):
    alive = tmp_path / "alive"
    loop = MaintenanceLoop(sessions, silent, 3, period_seconds=0.01, heartbeat_file=alive)
    runner = threading.Thread(target=loop.run)
    runner.start()
    until(alive.exists, what="the first round")
    alive.unlink()

    until(alive.exists, what="another round")
    loop.stop()
    runner.join(30)

    assert not runner.is_alive()
