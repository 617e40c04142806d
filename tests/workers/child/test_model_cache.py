"""Models in memory: loaded once, kept within a budget, evicted by use, pulled on demand."""

from __future__ import annotations

import threading
from dataclasses import replace
from operator import methodcaller

import pytest

from jobs.fleet.worker_registry import WeightsState
from jobs.states import Phase
from tests.waiting import until
from tests.workers import script
from tests.workers.tiny.card import CARD as TINY
from weights.errors import SourceNotFound, WeightsRemoved
from workers.child.error_mapping import to_attempt_failed
from workers.child.model_cache import ModelCache

WARM_UP = methodcaller("warm_up")
LIGHT = script.CARD
HEAVY = replace(LIGHT, name="heavy", memory_bytes=6)
OTHER = replace(LIGHT, name="other", memory_bytes=6)
SMALL = replace(LIGHT, name="small", memory_bytes=3)


def quiet(*_):
    pass


@pytest.fixture
def model_cache(model_weights):
    return ModelCache(model_weights)


@pytest.fixture
def roomy(model_weights):
    """A cache with a budget of ten bytes."""
    return ModelCache(model_weights, budget_bytes=10)


def runner_of(model_cache, card, report=quiet):
    with model_cache.acquire(card, report) as runner:
        return runner


def loaded(model_cache):
    states = {
        name: weights.state for name, weights in model_cache.status_file.status.models.items()
    }
    return [name for name, state in states.items() if state is WeightsState.LOADED]


def test_a_runner_is_created_once_for_many_jobs(model_cache):
    before, phases = script.Runner.created, []

    runners = {runner_of(model_cache, LIGHT, phases.append) for _ in range(3)}

    assert len(runners) == 1
    assert script.Runner.created == before + 1
    assert phases == [Phase.LOADING_MODEL]


def test_without_a_budget_one_heavy_model_evicts_another(model_cache):
    first, light = runner_of(model_cache, HEAVY), runner_of(model_cache, LIGHT)

    runner_of(model_cache, OTHER)

    assert runner_of(model_cache, LIGHT) is light
    assert runner_of(model_cache, HEAVY) is not first
    assert model_cache.status_file.status.evictions == 2


def test_as_many_models_are_kept_as_fit_the_budget(roomy):
    heavy, small = runner_of(roomy, HEAVY), runner_of(roomy, SMALL)

    assert runner_of(roomy, HEAVY) is heavy
    assert runner_of(roomy, SMALL) is small
    assert roomy.status_file.status.evictions == 0


def test_the_least_recently_used_model_is_evicted(roomy):
    runner_of(roomy, HEAVY)
    small = runner_of(roomy, SMALL)
    third = replace(SMALL, name="third")
    runner_of(roomy, HEAVY)

    runner_of(roomy, third)

    assert loaded(roomy) == ["heavy", "third"]
    assert runner_of(roomy, SMALL) is not small


def test_a_model_that_alone_exceeds_the_budget_is_loaded_alone(roomy):
    runner_of(roomy, SMALL)

    runner_of(roomy, replace(HEAVY, memory_bytes=99))

    assert loaded(roomy) == ["heavy"]


def test_after_a_failed_load_another_model_can_be_loaded(model_cache):
    broken = replace(HEAVY, name="broken", runner="tests.workers.nothing:Runner")

    with pytest.raises(ModuleNotFoundError):
        runner_of(model_cache, broken)

    assert model_cache.status_file.status.models["broken"].state is WeightsState.FAILED
    assert isinstance(runner_of(model_cache, HEAVY), script.Runner)


def test_a_canceled_job_loads_nothing(model_cache):
    before = script.Runner.created

    def canceled(*_):
        raise RuntimeError("canceled")

    with pytest.raises(RuntimeError, match="canceled"):
        runner_of(model_cache, LIGHT, canceled)

    assert script.Runner.created == before


def test_an_on_demand_model_is_pulled_then_read_then_loaded(model_cache, hub):
    reports = []

    runner = runner_of(model_cache, TINY, lambda *report: reports.append(report))

    phases = list(dict.fromkeys(phase for phase, *_ in reports))
    assert phases == [Phase.DOWNLOADING_WEIGHTS, Phase.LOADING_MODEL]
    assert runner._request_stop[0] == 11
    assert reports[-1][1:] == (model_cache.model_weights.selection(TINY).size_bytes,) * 2
    assert loaded(model_cache) == ["tiny"]


def test_a_complete_volume_sends_no_request(model_cache, model_weights, hub):
    runner_of(ModelCache(model_weights), TINY)
    before, phases = hub.requests, []

    runner_of(model_cache, TINY, lambda phase, *_: phases.append(phase))

    assert hub.requests == before
    assert Phase.DOWNLOADING_WEIGHTS not in phases


def test_a_job_that_must_stop_ends_the_pull_and_keeps_the_partial_file(
    model_cache, model_weights, hub
):
    hub.hold("paint.npy", 0.5)
    done = []

    def report(phase, done_bytes=0, total=None):
        done.append(done_bytes)
        if done_bytes > 1_000_000:
            raise RuntimeError("canceled")

    with pytest.raises(RuntimeError, match="canceled"):
        runner_of(model_cache, TINY, report)

    paint = model_weights.selection(TINY).files[0]
    assert max(done) > 1_000_000
    assert model_weights.volume.partial(paint).exists()
    assert not model_weights.volume.blob(paint).exists()


def test_weights_that_cannot_be_downloaded_are_reported_as_failed(model_cache, hub):
    hub.repos.clear()

    with pytest.raises(SourceNotFound):
        runner_of(model_cache, TINY)

    status = model_cache.status_file.status.models["tiny"]
    assert status.state is WeightsState.FAILED
    assert "tiny/paint" in status.detail


def test_weights_that_are_removed_while_they_are_loaded_are_pulled_again(model_cache, hub):
    weights = model_cache.model_weights
    blob = weights.volume.blob(weights.selection(TINY).files[0])

    def remove(phase, *_):
        if phase is Phase.LOADING_MODEL:
            blob.unlink(missing_ok=True)

    with pytest.raises(WeightsRemoved, match="tiny were removed") as removed:
        runner_of(model_cache, TINY, remove)

    assert to_attempt_failed(removed.value).retryable
    runner_of(model_cache, TINY)
    assert loaded(model_cache) == ["tiny"]


def test_a_job_waits_for_a_running_load_and_can_be_stopped(model_cache, gates, in_thread):
    runner_of(model_cache, replace(TINY, name="same"))
    (gates / "load").touch()
    join = in_thread(lambda: model_cache.preload(TINY, WARM_UP))
    until(lambda: model_cache.status_file.state_of("tiny") is WeightsState.LOADING, what="the load")
    reports = []

    def report(*what):
        reports.append(what)
        if len(reports) > 2:
            raise RuntimeError("canceled")

    with pytest.raises(RuntimeError, match="canceled"):
        runner_of(model_cache, TINY, report)
    (gates / "load").unlink()

    assert join() is True
    assert runner_of(model_cache, TINY).warmed == 1


def test_a_pinned_model_evicts_an_on_demand_model(model_cache):
    runner_of(model_cache, HEAVY)

    assert model_cache.preload(OTHER, WARM_UP)

    assert loaded(model_cache) == ["other"]


def test_a_pinned_model_waits_for_the_job_of_the_model_it_evicts(model_cache, in_thread):
    with model_cache.acquire(HEAVY, quiet):
        join = in_thread(lambda: model_cache.preload(OTHER, WARM_UP))
        until(model_cache._loading.locked, what="the load to begin")
        assert loaded(model_cache) == ["heavy"]

    assert join()
    assert loaded(model_cache) == ["other"]


def test_pinned_models_do_not_evict_each_other(model_cache):
    assert model_cache.preload(HEAVY, WARM_UP)

    assert not model_cache.preload(OTHER, WARM_UP)

    assert loaded(model_cache) == ["heavy"]
    assert model_cache.status_file.state_of("other") is WeightsState.ON_DISK
    assert model_cache.status_file.status.evictions == 0


def test_the_cache_is_idle_when_the_job_has_uploaded_and_ended(model_cache):
    rested = threading.Event()

    def rest():
        with model_cache.idle():
            rested.set()

    thread = threading.Thread(target=rest)
    with model_cache.job():
        with model_cache.acquire(LIGHT, quiet):
            pass
        thread.start()
        assert not rested.wait(0.2)

    thread.join(10)
    assert rested.is_set()
