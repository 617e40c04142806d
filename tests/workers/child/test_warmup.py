"""The child's thread that loads warm models, in this process."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from jobs.fleet.worker_registry import WeightsState
from runtime.extras import install_command
from tests.waiting import until
from tests.workers import script
from tests.workers.tiny.card import CARD as TINY
from workers.child import warmup as module
from workers.child.lease_keeper import KILLED
from workers.child.model_cache import ModelCache
from workers.child.warmup import WarmUp

LACKING = replace(script.CARD, name="lacking", runner="tests.workers.nothing:Runner")


@pytest.fixture
def model_cache(model_weights):
    return ModelCache(model_weights)


@pytest.fixture
def start(model_cache):
    """Start to warm up; the thread ends with the test."""
    started = []

    def start(*cards, limit=timedelta(minutes=1), **options):
        warm_up = WarmUp(model_cache, cards, limit=limit, **options)
        started.append(warm_up)
        warm_up.start()

    yield start
    for warm_up in started:
        warm_up._pending = []


def await_state(model_cache, state, model="tiny"):
    until(lambda: model_cache.status_file.state_of(model) is state, what=f"{model} to be {state}")
    return model_cache.status_file.status.models[model]


class PanickingRunner(script.Runner):
    """A model whose library, in Rust, panics."""

    def warm_up(self):
        raise script.PanicException("index out of bounds")


def test_a_panic_in_a_library_is_reported_and_other_models_are_loaded(model_cache, start):
    runner = f"{__name__}:PanickingRunner"
    start(replace(script.CARD, name="panicking", runner=runner), script.CARD)

    await_state(model_cache, WeightsState.LOADED, script.CARD.name)
    assert "RuntimeError" in await_state(model_cache, WeightsState.FAILED, "panicking").detail


def test_then_is_called_after_the_last_model(model_cache, start, model_weights):
    seen = []
    start(TINY, then=lambda: seen.append(model_cache.status_file.state_of("tiny")))
    model_weights.pull(TINY, lambda _: None)

    until(lambda: seen, what="the end of the warm-up")

    assert seen == [WeightsState.LOADED]


def test_a_model_is_imported_during_the_download_then_loaded_and_run_once(
    model_cache, start, model_weights
):
    with capture_logs() as logs:
        start(TINY)
        until(lambda: any(entry.get("phase") == "imports" for entry in logs), what="the imports")
        assert model_cache.status_file.state_of("tiny") is None
        model_weights.pull(TINY, lambda _: None)
        await_state(model_cache, WeightsState.LOADED)

    phases = [entry["phase"] for entry in logs if entry["event"] == "cold start"]
    assert phases == ["process_start", "imports", "weights_check", "read_ahead", "load", "warm_up"]
    assert all(entry["seconds"] >= 0 for entry in logs if "phase" in entry)
    with model_cache.acquire(TINY, lambda *_: None) as runner:
        assert runner.warmed == 1


def test_a_model_that_cannot_be_loaded_does_not_block_the_others(model_cache, start):
    with capture_logs() as logs:
        start(LACKING, script.CARD)
        await_state(model_cache, WeightsState.LOADED, "script")

    assert "ModuleNotFoundError" in await_state(model_cache, WeightsState.FAILED, "lacking").detail
    assert [entry["model"] for entry in logs if entry["log_level"] == "error"] == ["lacking"]


@pytest.mark.parametrize("where", ["imports", "load"])
def test_a_missing_extra_is_one_sentence_without_a_retry(model_cache, start, monkeypatch, where):
    monkeypatch.setattr(module, "MAX_RETRY_SECONDS", 0.05)

    def fail(*_):
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")

    target = (
        (module.importlib, "import_module") if where == "imports" else (script.Runner, "warm_up")
    )
    monkeypatch.setattr(*target, fail)
    with capture_logs() as logs:
        start(script.CARD)
        failed = await_state(model_cache, WeightsState.FAILED, "script")
        time.sleep(0.3)

    assert failed.detail == (
        f"script needs torch, which is not installed on this worker: {install_command('worker')}"
    )
    errors = [entry for entry in logs if entry["log_level"] == "error"]
    assert [entry["detail"] for entry in errors] == [failed.detail]
    assert not any("exc_info" in entry for entry in errors)


def test_a_failed_load_is_retried(model_cache, start, monkeypatch):
    monkeypatch.setattr(module, "MAX_RETRY_SECONDS", 0.1)
    errors = iter([RuntimeError("a passing one")])

    def warm_up(self):
        for error in errors:
            raise error

    monkeypatch.setattr(script.Runner, "warm_up", warm_up)
    with capture_logs() as logs:
        start(script.CARD)
        await_state(model_cache, WeightsState.LOADED, "script")

    assert [entry["log_level"] for entry in logs].count("error") == 1


def test_a_warm_up_that_takes_too_long_counts_as_failed_until_it_ends(
    model_cache, start, model_weights, gates
):
    model_weights.pull(TINY, lambda _: None)
    (gates / "warm_up").touch()
    start(TINY, limit=timedelta(seconds=0.2))

    assert "longer than" in await_state(model_cache, WeightsState.FAILED).detail
    (gates / "warm_up").unlink()

    await_state(model_cache, WeightsState.LOADED)


def test_an_unreadable_manifest_is_left_to_the_prefetcher_to_report(model_cache, start):
    broken = replace(TINY, weights=TINY.weights.with_name("no-such.toml"))

    with capture_logs() as logs:
        start(broken, script.CARD)
        await_state(model_cache, WeightsState.LOADED, "script")

    assert model_cache.status_file.state_of("tiny") is None
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


def test_a_full_gpu_ends_the_process_once_no_job_runs(model_cache, start, monkeypatch):
    monkeypatch.setattr(module, "MAX_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(script.Runner, "warm_up", lambda _: script.fill_gpu(None, None))
    ends = []

    monkeypatch.setattr(module.os, "_exit", ends.append)
    with model_cache.job():
        with model_cache.acquire(replace(script.CARD, name="other"), lambda *_: None):
            start(script.CARD)
            until(lambda: model_cache.poisoned, what="the error")
        time.sleep(0.3)  # it uploads its video now
        assert ends == []

    assert until(lambda: ends, what="the end")[0] == KILLED


def test_a_model_that_does_not_fit_in_memory_stays_on_disk_with_a_warning(model_cache, start):
    heavy = replace(script.CARD, name="heavy", memory_bytes=1)
    with capture_logs() as logs:
        start(heavy, replace(heavy, name="second"))
        await_state(model_cache, WeightsState.ON_DISK, "second")
        until(lambda: any(entry["log_level"] == "warning" for entry in logs), what="the warning")

    assert model_cache.status_file.state_of("heavy") is WeightsState.LOADED
