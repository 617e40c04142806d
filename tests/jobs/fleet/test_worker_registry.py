"""The roster: who is there, who was told to stop, who is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update

from jobs.fleet import worker_registry
from jobs.tables import Worker

HERE, THERE = "kinomill@here", "kinomill@there"


@pytest.fixture
def session(sessions):
    """One transaction on an empty roster, rolled back at the end."""
    with sessions() as session:
        session.execute(delete(Worker))
        yield session


def appear(session, name=HERE, *models):
    worker_registry.register(session, name, models=models or ["wav2lip"], pid=7)


def seen(session, name, ago):
    long_ago = func.now() - ago
    session.execute(update(Worker).where(Worker.name == name).values(seen_at=long_ago))


def test_a_worker_that_appears_is_there_with_its_models(session):
    appear(session, HERE, "wav2lip", "musetalk")

    row = session.get_one(Worker, HERE)
    assert (row.models, row.pid, row.draining_until) == (["wav2lip", "musetalk"], 7, None)


def test_workers_are_counted_by_the_models_they_serve(session):
    appear(session, HERE, "wav2lip", "musetalk")
    appear(session, THERE, "wav2lip")

    counts = [
        worker_registry.live_workers(session, name) for name in ("wav2lip", "musetalk", "wav2")
    ]

    assert counts == [2, 1, 0]


def test_a_silent_worker_is_not_counted_until_it_beats(session):
    appear(session)
    seen(session, HERE, timedelta(seconds=31))
    assert worker_registry.live_workers(session, "wav2lip") == 0

    assert worker_registry.heartbeat(session, HERE)

    assert worker_registry.live_workers(session, "wav2lip") == 1


def test_a_beat_tells_what_has_changed_and_leaves_the_rest(session):
    appear(session)
    loading = worker_registry.WeightsStatus(
        state=worker_registry.WeightsState.LOADING, done_bytes=5, total_bytes=9
    )

    worker_registry.heartbeat(
        session, HERE, models=["musetalk"], weights={"musetalk": loading}, evictions=3
    )
    worker_registry.heartbeat(session, HERE)

    row = session.get_one(Worker, HERE)
    assert (row.models, row.evictions) == (["musetalk"], 3)
    assert worker_registry.WeightsStatus.model_validate(row.weights["musetalk"]) == loading


def test_a_worker_that_comes_back_has_nothing_yet(session):
    appear(session)
    loaded = worker_registry.WeightsStatus(state=worker_registry.WeightsState.LOADED)
    worker_registry.heartbeat(session, HERE, weights={"wav2lip": loaded}, evictions=1)

    appear(session)

    row = session.get_one(Worker, HERE)
    assert (row.weights, row.evictions) == ({}, 0)


def test_a_worker_that_drains_is_not_counted_and_knows_until_when(session):
    appear(session)
    assert worker_registry.draining_until(session, HERE) is None

    worker_registry.drain(session, HERE, window=timedelta(seconds=45))

    assert worker_registry.live_workers(session, "wav2lip") == 0
    assert worker_registry.draining_until(session, HERE) == session.scalar(
        select(func.now() + timedelta(seconds=45))
    )
    assert worker_registry.draining_until(session, THERE) is None


def test_a_worker_that_comes_back_does_not_drain_any_more(session):
    appear(session)
    worker_registry.drain(session, HERE, window=timedelta(seconds=45))

    appear(session)

    assert worker_registry.draining_until(session, HERE) is None


def test_a_worker_that_leaves_is_gone_and_its_beat_says_so(session):
    appear(session)

    worker_registry.deregister(session, HERE)

    assert not worker_registry.heartbeat(session, HERE)
    assert worker_registry.live_workers(session, "wav2lip") == 0


def test_workers_unseen_for_an_hour_are_forgotten(session):
    for name, ago in ((HERE, timedelta(minutes=59)), (THERE, timedelta(minutes=61))):
        appear(session, name)
        seen(session, name, ago)

    assert worker_registry.delete_stale(session) == [THERE]
    assert session.get(Worker, HERE) is not None
