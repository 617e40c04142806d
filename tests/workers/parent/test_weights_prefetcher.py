"""The parent's thread that downloads weights, with a Hub that may fail."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from jobs.fleet.worker_registry import WeightsState
from tests.waiting import until
from tests.workers import script
from tests.workers.tiny.card import CARD as TINY
from weights.errors import SourceUnavailable
from workers.parent import weights_prefetcher as module
from workers.parent.weights_prefetcher import WeightsPrefetcher
from workers.shared.model_weights import ModelWeights

BROKEN = replace(TINY, name="broken", weights=TINY.weights.with_name("no-such.toml"))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.1)


@pytest.fixture
def create_prefetcher(model_weights):
    """Create and start prefetchers; all end with the test."""
    created = []

    def create(*cards, warm=("tiny",), model_weights=model_weights):
        prefetcher = WeightsPrefetcher(
            model_weights, {card.name: card for card in cards}, frozenset(warm)
        )
        created.append(prefetcher)
        prefetcher.start()
        return prefetcher

    yield create
    for prefetcher in created:
        prefetcher.stop()
        prefetcher.join()


def state_of(prefetcher, model="tiny"):
    return prefetcher.weights[model].state


def await_state(prefetcher, state, model="tiny"):
    return until(
        lambda: state_of(prefetcher, model) is state and prefetcher.weights[model], what=state
    )


def test_the_weights_of_a_warm_model_are_downloaded(create_prefetcher, hub, model_weights):
    gate = hub.hold("paint.npy", 0.6)
    prefetcher = create_prefetcher(TINY)

    seen = await_state(prefetcher, WeightsState.DOWNLOADING)
    half = until(
        lambda: prefetcher.weights["tiny"].done_bytes > 8e6 and prefetcher.weights["tiny"],
        what="more than half",
    )
    gate.set()
    there = await_state(prefetcher, WeightsState.ON_DISK)

    assert seen.file
    assert half.file == "paint.npy"
    assert half.total_bytes == model_weights.selection(TINY).size_bytes
    assert there.revision == model_weights.selection(TINY).revision


def test_an_on_demand_model_is_pulled_after_a_prefetch_request(create_prefetcher, hub):
    prefetcher = create_prefetcher(TINY, warm=())
    await_state(prefetcher, WeightsState.ABSENT)
    assert hub.requests == 0

    prefetcher.set_requests({"tiny": "2026-11-29", "of another worker": "2026-11-29"})

    await_state(prefetcher, WeightsState.ON_DISK)


def test_a_failed_pull_shows_the_reason_and_is_retried(create_prefetcher, hub):
    repo = hub.repos.pop("tiny/paint")
    prefetcher = create_prefetcher(TINY)

    broken = await_state(prefetcher, WeightsState.FAILED)
    hub.repos["tiny/paint"] = repo

    assert "tiny/paint" in broken.detail
    await_state(prefetcher, WeightsState.ON_DISK)


def test_a_new_prefetch_request_does_not_wait_for_the_retry(create_prefetcher, hub, monkeypatch):
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 1000.0)
    repo = hub.repos.pop("tiny/paint")
    prefetcher = create_prefetcher(TINY)
    await_state(prefetcher, WeightsState.FAILED)
    hub.repos["tiny/paint"] = repo

    prefetcher.set_requests({"tiny": "2026-11-29"})

    await_state(prefetcher, WeightsState.ON_DISK)


def test_a_server_cannot_ask_for_a_wait_without_end(model_weights):
    prefetcher = WeightsPrefetcher(model_weights, {"tiny": TINY}, frozenset())
    error = SourceUnavailable("status 503", retry_after_seconds=float("inf"))

    with capture_logs() as logs:
        prefetcher._record_failure("tiny", error)

    assert [entry["retry_seconds"] for entry in logs] == [3600]


def test_a_failed_model_does_not_block_another(create_prefetcher):
    prefetcher = create_prefetcher(BROKEN, TINY, warm=("broken", "tiny"))

    await_state(prefetcher, WeightsState.ON_DISK)

    assert "no-such.toml" in await_state(prefetcher, WeightsState.FAILED, "broken").detail


def test_a_volume_that_cannot_be_created_is_reported(create_prefetcher, tiny_settings, tmp_path):
    (tmp_path / "a-file").touch()
    model_weights = ModelWeights(tiny_settings.model_copy(update={"weights": tmp_path / "a-file"}))

    prefetcher = create_prefetcher(TINY, model_weights=model_weights)

    assert "a-file" in await_state(prefetcher, WeightsState.FAILED).detail


def test_a_model_without_weights_is_on_disk_at_once(create_prefetcher):
    await_state(create_prefetcher(script.CARD, warm=("script",)), WeightsState.ON_DISK, "script")


def test_a_pull_stops_with_the_worker_and_keeps_the_partial_file(
    create_prefetcher, hub, model_weights
):
    hub.hold("paint.npy", 0.5)
    prefetcher = create_prefetcher(TINY)
    until(lambda: prefetcher.weights["tiny"].done_bytes > 1e6, what="a megabyte")

    prefetcher.stop()
    prefetcher.join()

    assert not prefetcher._thread.is_alive()
    assert model_weights.volume.partial(model_weights.selection(TINY).files[0]).exists()


def test_an_unexpected_error_ends_one_pull_and_not_the_thread(create_prefetcher, model_weights):
    errors = iter([ValueError("unheard of")])

    def pull(card, watch, stop):
        for error in errors:
            raise error
        return model_weights.pull(card, watch, stop)

    failing_once = SimpleNamespace(
        status=model_weights.status, status_with=model_weights.status_with, pull=pull
    )

    with capture_logs() as logs:
        await_state(create_prefetcher(TINY, model_weights=failing_once), WeightsState.ON_DISK)

    assert any(entry.get("exc_info") for entry in logs)


def test_weights_deleted_from_the_volume_are_downloaded_again(create_prefetcher, model_weights):
    prefetcher = create_prefetcher(TINY)
    await_state(prefetcher, WeightsState.ON_DISK)

    for file in model_weights.selection(TINY).files:
        model_weights.volume.blob(file).unlink()

    until(lambda: state_of(prefetcher) is not WeightsState.ON_DISK, what="the loss to be seen")
    await_state(prefetcher, WeightsState.ON_DISK)
