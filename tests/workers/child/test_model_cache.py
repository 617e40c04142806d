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
from weights.errors import SourceNotFound
from workers.child.model_cache import ModelCache

WARM_UP = methodcaller("warm_up")
LIGHT = script.CARD
HEAVY = replace(LIGHT, name="heavy", memory_bytes=6)
OTHER = replace(LIGHT, name="other", memory_bytes=6)
SMALL = replace(LIGHT, name="small", memory_bytes=3)


def quiet(*_):
    pass


@pytest.fixture
def warm(model_weights):
    return ModelCache(model_weights)


@pytest.fixture
def roomy(model_weights):
    """A cache with a budget of ten bytes."""
    return ModelCache(model_weights, budget_bytes=10)


def runner_of(warm, card, report=quiet):
    with warm.acquire(card, report) as runner:
        return runner


def loaded(warm):
    states = {name: weights.state for name, weights in warm.status_file.status.models.items()}
    return [name for name, state in states.items() if state is WeightsState.LOADED]


def test_a_runner_is_created_once_for_many_jobs(warm):
    before, phases = script.Runner.created, []

    runners = {runner_of(warm, LIGHT, phases.append) for _ in range(3)}

    assert len(runners) == 1
    assert script.Runner.created == before + 1
    assert phases == [Phase.LOADING_MODEL]


def test_without_a_budget_one_heavy_model_evicts_another(warm):
    first, light = runner_of(warm, HEAVY), runner_of(warm, LIGHT)

    runner_of(warm, OTHER)

    assert runner_of(warm, LIGHT) is light
    assert runner_of(warm, HEAVY) is not first
    assert warm.status_file.status.evictions == 2


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


def test_after_a_failed_load_another_model_can_be_loaded(warm):
    broken = replace(HEAVY, name="broken", runner="tests.workers.nothing:Runner")

    with pytest.raises(ModuleNotFoundError):
        runner_of(warm, broken)

    assert warm.status_file.status.models["broken"].state is WeightsState.FAILED
    assert isinstance(runner_of(warm, HEAVY), script.Runner)


def test_a_canceled_job_loads_nothing(warm):
    before = script.Runner.created

    def canceled(*_):
        raise RuntimeError("canceled")

    with pytest.raises(RuntimeError, match="canceled"):
        runner_of(warm, LIGHT, canceled)

    assert script.Runner.created == before


def test_an_on_demand_model_is_pulled_then_read_then_loaded(warm, hub):
    reports = []

    runner = runner_of(warm, TINY, lambda *report: reports.append(report))

    phases = list(dict.fromkeys(phase for phase, *_ in reports))
    assert phases == [Phase.DOWNLOADING_WEIGHTS, Phase.LOADING_MODEL]
    assert runner._request_stop[0] == 11
    assert reports[-1][1:] == (warm.model_weights.selection(TINY).size_bytes,) * 2
    assert loaded(warm) == ["tiny"]


def test_a_complete_volume_sends_no_request(warm, model_weights, hub):
    runner_of(ModelCache(model_weights), TINY)
    before, phases = hub.requests, []

    runner_of(warm, TINY, lambda phase, *_: phases.append(phase))

    assert hub.requests == before
    assert Phase.DOWNLOADING_WEIGHTS not in phases


def test_a_job_that_must_stop_ends_the_pull_and_keeps_the_partial_file(warm, model_weights, hub):
    hub.hold("paint.npy", 0.5)
    done = []

    def report(phase, done_bytes=0, total=None):
        done.append(done_bytes)
        if done_bytes > 1_000_000:
            raise RuntimeError("canceled")

    with pytest.raises(RuntimeError, match="canceled"):
        runner_of(warm, TINY, report)

    paint = model_weights.selection(TINY).files[0]
    assert max(done) > 1_000_000
    assert model_weights.volume.partial(paint).exists()
    assert not model_weights.volume.blob(paint).exists()


def test_weights_that_cannot_be_downloaded_are_reported_as_failed(warm, hub):
    hub.repos.clear()

    with pytest.raises(SourceNotFound):
        runner_of(warm, TINY)

    told = warm.status_file.status.models["tiny"]
    assert told.state is WeightsState.FAILED
    assert "tiny/paint" in told.detail


def test_a_job_waits_for_a_running_load_and_can_be_stopped(warm, gates, in_thread):
    runner_of(warm, replace(TINY, name="same"))
    (gates / "load").touch()
    join = in_thread(lambda: warm.preload(TINY, WARM_UP))
    until(lambda: warm.status_file.state_of("tiny") is WeightsState.LOADING, what="the load")
    reports = []

    def report(*what):
        reports.append(what)
        if len(reports) > 2:
            raise RuntimeError("canceled")

    with pytest.raises(RuntimeError, match="canceled"):
        runner_of(warm, TINY, report)
    (gates / "load").unlink()

    assert join() is True
    assert runner_of(warm, TINY).warmed == 1


def test_a_pinned_model_evicts_an_on_demand_model(warm):
    runner_of(warm, HEAVY)

    assert warm.preload(OTHER, WARM_UP)

    assert loaded(warm) == ["other"]


def test_a_pinned_model_waits_for_the_job_of_the_model_it_evicts(warm, in_thread):
    with warm.acquire(HEAVY, quiet):
        join = in_thread(lambda: warm.preload(OTHER, WARM_UP))
        until(warm._loading.locked, what="the load to begin")
        assert loaded(warm) == ["heavy"]

    assert join()
    assert loaded(warm) == ["other"]


def test_pinned_models_do_not_evict_each_other(warm):
    assert warm.preload(HEAVY, WARM_UP)

    assert not warm.preload(OTHER, WARM_UP)

    assert loaded(warm) == ["heavy"]
    assert warm.status_file.state_of("other") is WeightsState.ON_DISK
    assert warm.status_file.status.evictions == 0


def test_the_cache_is_idle_when_the_job_has_ended(warm):
    rested = threading.Event()

    def rest():
        with warm.idle():
            rested.set()

    with warm.acquire(LIGHT, quiet):
        thread = threading.Thread(target=rest)
        thread.start()
        assert not rested.is_set()

    thread.join(10)
    assert rested.is_set()
