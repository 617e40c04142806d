"""Readiness of a worker: combined from its volume, its child and its drain."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from workers.parent.readiness import Readiness
from workers.shared.child_status import ChildStatusFile
from workers.shared.figures import ProcessFigures

ABSENT, ON_DISK = (
    WeightsStatus(state=WeightsState.ABSENT, total_bytes=200),
    WeightsStatus(state=WeightsState.ON_DISK),
)
LOADED = WeightsStatus(state=WeightsState.LOADED, revision="abc")


@pytest.fixture
def prefetcher():
    return SimpleNamespace(weights={"warm": ABSENT, "late": ON_DISK})


@pytest.fixture
def readiness(prefetcher, tmp_path):
    """The readiness of a worker with one warm and one on-demand model."""
    return Readiness(prefetcher, frozenset({"warm"}), tmp_path)


@pytest.fixture
def child(tmp_path):
    return ChildStatusFile(tmp_path)


def test_before_the_child_has_written_on_demand_models_are_ready(readiness):
    snapshot = readiness.snapshot()

    assert snapshot.ready == {"late"}
    assert not snapshot.child_alive
    assert readiness.not_ready_reason() == {"detail": "The worker's child process is starting."}


def test_a_download_is_shown_with_percent_file_and_speed(readiness, prefetcher):
    prefetcher.weights["warm"] = WeightsStatus(
        state=WeightsState.DOWNLOADING,
        done_bytes=126,
        total_bytes=200,
        file="unet.gguf",
        bytes_per_second=310.04e6,
    )

    assert readiness.not_started_reason() == {
        "phase": "downloading_weights",
        "model": "warm",
        "percent": 63.0,
        "file": "unet.gguf",
        "mb_per_s": 310.0,
    }
    assert readiness.snapshot().changing


def test_a_failed_pull_shows_the_reason(readiness, prefetcher):
    prefetcher.weights["warm"] = WeightsStatus(state=WeightsState.FAILED, detail="The Hub is away.")

    reason = readiness.not_started_reason()

    assert (reason["phase"], reason["detail"]) == ("failed", "The Hub is away.")


def test_while_the_child_loads_its_progress_is_shown(readiness, prefetcher, child):
    prefetcher.weights["warm"] = ON_DISK
    assert readiness.not_started_reason()["phase"] == "loading_model"

    child.set_model(
        "warm", WeightsStatus(state=WeightsState.LOADING, done_bytes=50, total_bytes=200)
    )

    reason = readiness.not_started_reason()
    assert (reason["phase"], reason["percent"]) == ("loading_model", 25.0)


def test_a_loaded_model_is_ready_and_the_worker_stays_started(readiness, child):
    child.set_model("warm", LOADED)
    assert readiness.not_started_reason() is None
    assert readiness.not_ready_reason() is None

    child.set_model("warm", WeightsStatus(state=WeightsState.FAILED, detail="Gone."))

    assert readiness.not_started_reason() is None
    assert readiness.not_ready_reason()["detail"] == "Gone."


def test_a_warm_model_that_does_not_fit_in_memory_is_ready_on_disk(readiness, prefetcher, child):
    prefetcher.weights["warm"] = ON_DISK
    child.set_model("warm", ON_DISK)

    snapshot = readiness.snapshot()

    assert snapshot.weights["warm"].state is WeightsState.ON_DISK
    assert readiness.not_ready_reason() is None


def test_the_models_of_a_dead_child_are_on_disk_only(readiness, prefetcher, child):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    prefetcher.weights["warm"] = ON_DISK
    child.set_model("warm", LOADED)
    assert readiness.not_ready_reason() is None

    child.status.pid = process.pid
    child.write()

    assert readiness.snapshot().weights["warm"].state is WeightsState.ON_DISK
    assert readiness.not_ready_reason() == {"detail": "The worker's child process is starting."}


def test_a_draining_worker_is_not_ready(readiness, child):
    child.set_model("warm", LOADED)

    readiness.draining = True

    assert readiness.not_ready_reason() == {"detail": "The worker is draining."}
    assert readiness.not_started_reason() is None


def test_evictions_are_counted_over_all_children(readiness, tmp_path):
    first, second = ChildStatusFile(tmp_path), ChildStatusFile(tmp_path)
    second.status.pid += 1
    for child, times in ((first, 2), (second, 1)):
        child.write()
        for _ in range(times):
            child.count_eviction()
        seen = readiness.snapshot().evictions

    assert seen == 3
    assert readiness.snapshot().evictions == 3


def test_figures_of_a_child_stay_when_another_one_follows(readiness, child):
    child.status.figures = ProcessFigures(weights_bytes={"mine": 5})
    child.write()
    assert readiness.figures().weights_bytes["mine"] == 5

    child.status.pid += 1
    child.status.figures = ProcessFigures(weights_bytes={"mine": 2})
    child.write()

    assert readiness.figures().weights_bytes["mine"] == 7
