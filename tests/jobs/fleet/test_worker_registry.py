"""Registered workers: heartbeats, drains, and workers that are gone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import sessionmaker

from jobs.fleet import worker_registry
from jobs.tables import Worker
from tests.jobs import build

HERE, THERE = "kinomill@here", "kinomill@there"


@pytest.fixture
def session(sessions):
    """One transaction without workers, rolled back at the end."""
    with sessions() as session:
        session.execute(delete(Worker))
        yield session


def register(session, name=HERE, *models):
    worker_registry.register(session, name, models=models or ["wav2lip"], pid=7)


def seen(session, name, ago):
    long_ago = func.now() - ago
    session.execute(update(Worker).where(Worker.name == name).values(seen_at=long_ago))


def test_a_registered_worker_has_its_models(session):
    register(session, HERE, "wav2lip", "musetalk")

    row = session.get_one(Worker, HERE)
    assert (row.models, row.pid, row.draining_until) == (["wav2lip", "musetalk"], 7, None)


def live_workers(session, model):
    session.commit()
    return build.queues(sessionmaker(session.get_bind()), model)[model].workers


def test_workers_are_counted_by_the_models_they_serve(session):
    register(session, HERE, "wav2lip", "musetalk")
    register(session, THERE, "wav2lip")

    counts = [live_workers(session, name) for name in ("wav2lip", "musetalk", "wav2")]

    assert counts == [2, 1, 0]


def test_a_silent_worker_is_not_counted_until_its_next_heartbeat(session):
    register(session)
    seen(session, HERE, timedelta(seconds=31))
    assert live_workers(session, "wav2lip") == 0

    assert worker_registry.heartbeat(session, HERE)

    assert live_workers(session, "wav2lip") == 1


def test_a_heartbeat_stores_given_values_and_keeps_the_rest(session):
    register(session)
    loading = worker_registry.WeightsStatus(
        state=worker_registry.WeightsState.LOADING, done_bytes=5, total_bytes=9
    )

    worker_registry.heartbeat(
        session, HERE, models=["musetalk"], weights={"musetalk": loading}, figures={"evictions": 3}
    )
    worker_registry.heartbeat(session, HERE)

    row = session.get_one(Worker, HERE)
    assert (row.models, row.evictions) == (["musetalk"], 3)
    assert worker_registry.WeightsStatus.model_validate(row.weights["musetalk"]) == loading


def test_a_worker_that_registers_again_starts_without_weights(session):
    register(session)
    loaded = worker_registry.WeightsStatus(state=worker_registry.WeightsState.LOADED)
    worker_registry.heartbeat(session, HERE, weights={"wav2lip": loaded}, figures={"evictions": 1})

    register(session)

    row = session.get_one(Worker, HERE)
    assert (row.weights, row.evictions) == ({}, 0)


def test_a_draining_worker_is_not_counted(session):
    register(session)
    assert session.get_one(Worker, HERE).draining_until is None

    worker_registry.drain(session, HERE, window=timedelta(seconds=45))

    row = session.get_one(Worker, HERE)
    session.refresh(row)
    assert row.draining_until == session.scalar(select(func.now() + timedelta(seconds=45)))
    assert live_workers(session, "wav2lip") == 0


def test_a_worker_that_registers_again_is_not_draining(session):
    register(session)
    worker_registry.drain(session, HERE, window=timedelta(seconds=45))

    register(session)

    assert session.get_one(Worker, HERE).draining_until is None


def test_a_heartbeat_after_deregistering_is_refused(session):
    register(session)

    worker_registry.deregister(session, HERE)

    assert not worker_registry.heartbeat(session, HERE)
    assert live_workers(session, "wav2lip") == 0


def test_workers_without_a_heartbeat_for_ten_minutes_are_deleted(session):
    for name, ago in ((HERE, timedelta(minutes=9)), (THERE, timedelta(minutes=11))):
        register(session, name)
        seen(session, name, ago)

    assert worker_registry.delete_stale(session) == [THERE]
    assert session.get(Worker, HERE) is not None


def test_a_heartbeat_before_the_clock_was_set_back_ages_from_now_on(session):
    register(session)
    seen(session, HERE, timedelta(hours=-1))

    worker_registry.delete_stale(session)

    assert session.scalar(select(func.now() - Worker.seen_at)) == timedelta(0)


def test_a_drained_worker_outlives_an_outage_of_an_hour(session):
    for name, ago in ((HERE, timedelta(minutes=59)), (THERE, timedelta(minutes=61))):
        register(session, name)
        worker_registry.set_drained(session, name, drained=True)
        seen(session, name, ago)

    assert worker_registry.delete_stale(session) == [THERE]
