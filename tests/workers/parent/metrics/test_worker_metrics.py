"""`/metrics` of a worker's health port, over real HTTP."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parsed_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from runtime.metrics.worker import METRICS
from runtime.version import VERSION
from tests.promtool import complaints, needs_promtool, repeated
from workers.parent.health_server import HealthServer
from workers.parent.metrics.gpus import GpuFigures
from workers.parent.metrics.worker_metrics import WorkerMetrics
from workers.parent.readiness import Readiness
from workers.shared.child_status import ChildStatusFile
from workers.shared.figures import ProcessFigures

LOADED = WeightsStatus(state=WeightsState.LOADED)


class OneGpu:
    """A GPU as the driver would show it."""

    products, driver = "NVIDIA H200", "580.1"

    def read(self):
        yield GpuFigures("0", 10, 100, 0.5)


@pytest.fixture
def parts(tmp_path):
    """What a worker shows; tests may change it."""
    prefetcher = SimpleNamespace(weights={"tiny": WeightsStatus(state=WeightsState.ON_DISK)})
    return SimpleNamespace(
        child=ChildStatusFile(tmp_path),
        readiness=Readiness(prefetcher, frozenset({"tiny"}), tmp_path),
        tasks=[],
        drained=False,
        gpus=OneGpu(),
    )


@pytest.fixture
def ask(parts, tmp_path):
    metrics = WorkerMetrics(
        "kinomill@test",
        parts.readiness,
        lambda: iter(parts.tasks),
        lambda: parts.drained,
        {"weights": tmp_path, "scratch": tmp_path / "missing"},
        parts.gpus,
    )
    health = HealthServer("127.0.0.1", 0, parts.readiness, metrics.render)
    health.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{health.port}") as client:
        yield client.get
    health.stop()


def values(answer):
    """Values by name and labels, in the order of the labels' names."""
    assert answer.status_code == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def everything(parts):
    """Give each metric a value."""
    parts.child.status.figures = ProcessFigures(
        weights_bytes={"mine": 1000},
        pull_seconds={"mine": [3.0, 4000.0]},
        cold_start={"load": {"mine": 2.5}},
        gpu_peak_bytes={"mine": 77},
    )
    parts.child.set_model("tiny", LOADED)
    parts.child.count_eviction()


def test_what_the_child_has_measured_is_shown(ask, parts):
    everything(parts)

    shown = values(ask("/metrics"))

    assert shown["kinomill_weights_bytes_total", "mine"] == 1000
    assert shown["kinomill_weights_seconds_bucket", "5.0", "mine"] == 1
    assert shown["kinomill_weights_seconds_bucket", "+Inf", "mine"] == 2
    assert shown["kinomill_cold_start_seconds", "mine", "load"] == 2.5
    assert shown["kinomill_gpu_memory_peak_bytes", "mine"] == 77
    assert shown["kinomill_model_evictions_total",] == 1
    assert shown["kinomill_worker_info", "580.1", "NVIDIA H200", VERSION, "kinomill@test"] == 1
    assert shown["kinomill_gpu_memory_used_bytes", "0"] == 10
    assert shown["kinomill_gpu_utilization_ratio", "0"] == 0.5


def test_a_worker_has_one_state(ask, parts):
    def state():
        shown = values(ask("/metrics"))
        return [key[1] for key, value in shown.items() if value and "worker_state" in key[0]]

    assert state() == ["preparing"]
    parts.child.set_model("tiny", LOADED)
    assert state() == ["ready"]
    parts.child.set_model("tiny", WeightsStatus(state=WeightsState.FAILED))
    assert state() == ["failed"]
    parts.drained = True
    assert state() == ["drained"]
    parts.readiness.draining = True
    assert state() == ["draining"]


def test_a_worker_is_busy_while_it_runs_a_task(ask, parts):
    assert values(ask("/metrics"))["kinomill_worker_busy",] == 0

    parts.tasks.append("task")

    assert values(ask("/metrics"))["kinomill_worker_busy",] == 1


def test_a_volume_is_shown_once_its_folder_exists(ask):
    shown = values(ask("/metrics"))

    assert shown["kinomill_volume_free_bytes", "weights"] > 0
    assert (
        shown["kinomill_volume_free_bytes", "weights"]
        <= shown["kinomill_volume_size_bytes", "weights"]
    )
    assert ("kinomill_volume_free_bytes", "scratch") not in shown


def test_every_metric_of_the_list_is_shown_and_no_other(ask, parts):
    everything(parts)

    families = text_string_to_metric_families(ask("/metrics").text)

    shown = {family.name for family in families if not family.name.startswith("process_")}
    assert shown == {metric.name.removesuffix("_total") for metric in METRICS}


def test_openmetrics_is_answered_to_those_who_ask(ask, parts):
    everything(parts)

    answer = ask("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert len(list(parsed_openmetrics(answer.text))) > 10


def test_no_series_is_shown_twice(ask, parts):
    everything(parts)

    assert repeated(ask("/metrics").text) == []


@needs_promtool
def test_promtool_has_nothing_to_say(ask, parts):
    everything(parts)

    assert complaints(ask("/metrics").text) == ""
