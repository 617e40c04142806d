"""What a worker says of itself: put together from its volume, its child and its orders."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from jobs.fleet.worker_registry import Stock, Weights
from workers.parent.readiness import Readiness
from workers.shared.child_status import Slate

ABSENT, ON_DISK = Weights(state=Stock.ABSENT, total_bytes=200), Weights(state=Stock.ON_DISK)
LOADED = Weights(state=Stock.LOADED, revision="abc")


@pytest.fixture
def larder():
    return SimpleNamespace(weights={"warm": ABSENT, "late": ON_DISK})


@pytest.fixture
def readiness(larder, tmp_path):
    """Of a worker with one warm model and one on demand."""
    return Readiness(larder, frozenset({"warm"}), tmp_path)


@pytest.fixture
def child(tmp_path):
    return Slate(tmp_path)


def test_before_the_child_says_anything_models_on_demand_are_ready(readiness):
    standing = readiness.standing()

    assert standing.ready == {"late"}
    assert not standing.child
    assert readiness.why_not_ready() == {"detail": "The worker's child starts."}


def test_a_download_is_told_with_percent_file_and_speed(readiness, larder):
    larder.weights["warm"] = Weights(
        state=Stock.DOWNLOADING,
        done_bytes=126,
        total_bytes=200,
        file="unet.gguf",
        bytes_per_second=310.04e6,
    )

    assert readiness.why_not_started() == {
        "phase": "downloading_weights",
        "model": "warm",
        "percent": 63.0,
        "file": "unet.gguf",
        "mb_per_s": 310.0,
    }
    assert readiness.standing().busy


def test_a_pull_that_fails_says_why(readiness, larder):
    larder.weights["warm"] = Weights(state=Stock.BROKEN, detail="The Hub is away.")

    told = readiness.why_not_started()

    assert (told["phase"], told["detail"]) == ("broken", "The Hub is away.")


def test_while_the_child_loads_the_child_speaks(readiness, larder, child):
    larder.weights["warm"] = ON_DISK
    assert readiness.why_not_started()["phase"] == "loading_model"

    child.put("warm", Weights(state=Stock.LOADING, done_bytes=50, total_bytes=200))

    told = readiness.why_not_started()
    assert (told["phase"], told["percent"]) == ("loading_model", 25.0)


def test_a_loaded_model_is_ready_and_the_start_is_over_for_good(readiness, child):
    child.put("warm", LOADED)
    assert readiness.why_not_started() is None
    assert readiness.why_not_ready() is None

    child.put("warm", Weights(state=Stock.BROKEN, detail="Gone."))

    assert readiness.why_not_started() is None
    assert readiness.why_not_ready()["detail"] == "Gone."


def test_a_warm_model_that_found_no_room_in_memory_is_ready_from_disk(readiness, larder, child):
    larder.weights["warm"] = ON_DISK
    child.put("warm", ON_DISK)

    standing = readiness.standing()

    assert standing.weights["warm"].state is Stock.ON_DISK
    assert readiness.why_not_ready() is None


def test_what_a_dead_child_had_loaded_is_on_disk_only(readiness, larder, child):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    larder.weights["warm"] = ON_DISK
    child.put("warm", LOADED)
    assert readiness.why_not_ready() is None

    child.note.pid = process.pid
    child.announce()

    assert readiness.standing().weights["warm"].state is Stock.ON_DISK
    assert readiness.why_not_ready() == {"detail": "The worker's child starts."}


def test_a_worker_that_was_told_to_stop_is_not_ready(readiness, child):
    child.put("warm", LOADED)

    readiness.draining = True

    assert readiness.why_not_ready() == {"detail": "The worker was told to stop."}
    assert readiness.why_not_started() is None


def test_switches_are_counted_over_all_children(readiness, tmp_path):
    first, second = Slate(tmp_path), Slate(tmp_path)
    second.note.pid += 1
    for child, times in ((first, 2), (second, 1)):
        child.announce()
        for _ in range(times):
            child.count_switch()
        seen = readiness.standing().switches

    assert seen == 3
    assert readiness.standing().switches == 3
