"""Warm-up of the worker that will run a queued job first."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import func, update

from jobs.fleet import worker_registry
from jobs.fleet.warmup_status import WarmupStatus
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.states import Phase, Priority
from jobs.tables import Worker
from tests.jobs import build

MODEL = "preview-lipsync"
HALF = WeightsStatus(state=WeightsState.DOWNLOADING, done_bytes=500, total_bytes=1000)
LOADING = WeightsStatus(state=WeightsState.LOADING, done_bytes=10, total_bytes=1000)
ON_DISK = WeightsStatus(state=WeightsState.ON_DISK, total_bytes=1000)
LOADED = WeightsStatus(state=WeightsState.LOADED, total_bytes=1000)
ABSENT = WeightsStatus(state=WeightsState.ABSENT, total_bytes=1000)
BROKEN = WeightsStatus(state=WeightsState.FAILED, done_bytes=900, total_bytes=1000, detail="No.")


@pytest.fixture
def has(sessions):
    """Register workers with weights of the model; `consuming`: they already consume its queue."""

    def register_workers(*all_weights, consuming=False, model=MODEL):
        for weights in all_weights:
            with sessions.begin() as session:
                name = f"worker {session.query(Worker).count()}"
                worker_registry.register(session, name, models=[model] if consuming else [], pid=1)
                worker_registry.heartbeat(session, name, weights={model: weights})

    return register_workers


def look(sessions):
    return build.queues(sessions, MODEL)[MODEL].warmup


def test_a_download_is_shown_with_its_bytes(sessions, has):
    has(HALF)

    seen = look(sessions)

    assert seen == WarmupStatus(Phase.DOWNLOADING_WEIGHTS, 500, 1000)
    assert seen.percent == 50


@pytest.mark.parametrize("consuming", [False, True])
def test_the_worker_that_is_furthest_is_shown(sessions, has, consuming):
    less = HALF.model_copy(update={"done_bytes": 400})

    has(ABSENT, less, HALF, BROKEN, consuming=consuming)
    assert look(sessions) == WarmupStatus(Phase.DOWNLOADING_WEIGHTS, 500, 1000)

    has(LOADING, consuming=consuming)
    assert look(sessions) == WarmupStatus(Phase.LOADING_MODEL, 10, 1000)


def test_a_model_on_disk_that_waits_to_be_loaded_is_not_ready(sessions, has):
    has(HALF, ON_DISK)

    assert look(sessions) == WarmupStatus(Phase.LOADING_MODEL, 0, 1000)


def test_without_figures_there_is_no_percentage(sessions, has):
    has(WeightsStatus(state=WeightsState.LOADING))

    assert look(sessions).percent is None


@pytest.mark.parametrize("ready", [LOADED, ON_DISK])
def test_with_a_ready_worker_there_is_no_warmup(sessions, has, ready):
    has(HALF, LOADING)

    has(ready, consuming=True)

    assert look(sessions) is None


@pytest.mark.parametrize("idle", [(), (ABSENT,), (BROKEN,)])
def test_without_a_worker_that_prepares_the_model_there_is_no_warmup(sessions, has, idle):
    has(*idle)
    has(HALF, model="another")

    assert look(sessions) is None


@pytest.mark.parametrize(
    "gone",
    [
        {"seen_at": func.now() - timedelta(minutes=1)},
        {"draining_until": func.now() + timedelta(minutes=1)},
    ],
    ids=["silent", "draining"],
)
def test_a_worker_that_takes_no_jobs_is_ignored(sessions, has, gone):
    has(LOADED, consuming=True)
    with sessions.begin() as session:
        session.execute(update(Worker).values(**gone))

    has(HALF)

    assert look(sessions).phase == Phase.DOWNLOADING_WEIGHTS


def test_an_estimate_contains_the_warmup(sessions, has):
    has(HALF)
    job_id = build.submitted(sessions, model=MODEL, queue=MODEL)

    seen = build.queues(sessions, MODEL)[MODEL].estimate(job_id, Priority.NORMAL, now=time.time())

    assert seen.warmup == WarmupStatus(Phase.DOWNLOADING_WEIGHTS, 500, 1000)
    assert (seen.workers, seen.cold_start) == (0, True)
