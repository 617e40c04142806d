"""All threads of a worker's parent together, in this process."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest
from structlog.testing import capture_logs

from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.tables import Worker
from tests.waiting import until
from tests.workers import script
from tests.workers.tiny.card import CARD as TINY
from tests.workers.tiny.card import UNFREE
from workers.parent import supervisor as module
from workers.parent.supervisor import WorkerSupervisor
from workers.preflight import UnsafeConfiguration
from workers.shared import child_status

NAME = "parent@test"
CARDS = {"script": script.CARD, "tiny": TINY}


class Consumer:
    """Replaces Celery's consumer: adds queues at once."""

    task_consumer = object()

    def call_soon(self, act, *args):
        act(*args)

    def add_task_queue(self, queue):
        pass


@pytest.fixture
def create_supervisor(tiny_settings, sessions, monkeypatch, tmp_path):
    """Create and start a supervisor with one warm model; it stops with the test."""
    monkeypatch.setattr(module.child_status.tempfile, "gettempdir", lambda: str(tmp_path))
    created = []

    def create(cards=CARDS, on_demand=("tiny",)):
        settings = tiny_settings.model_copy(update={"health_port": 0})
        parent = WorkerSupervisor.create(
            NAME, cards, frozenset(on_demand), settings, sessions, list
        )
        parent.start()
        created.append(parent)
        return parent

    yield create
    for parent in created:
        parent.stop()


def row(sessions):
    with sessions() as session:
        return session.get(Worker, NAME)


def test_a_parent_registers_its_child_s_models_and_consumes_their_queues_once_loaded(
    create_supervisor, sessions
):
    parent = create_supervisor()
    parent.on_ready(Consumer())
    until(lambda: row(sessions), what="the worker to appear")
    assert row(sessions).models == ["tiny"]

    child_status.ChildStatusFile(parent.folder).set_model(
        "script", WeightsStatus(state=WeightsState.LOADED)
    )

    until(lambda: set(row(sessions).models) == set(CARDS), what="the queue to open")
    states = {name: weights["state"] for name, weights in row(sessions).weights.items()}
    assert states == {"script": "loaded", "tiny": "absent"}


def test_readiness_is_answered_over_http_until_it_drains(create_supervisor):
    parent = create_supervisor()
    child_status.ChildStatusFile(parent.folder).set_model(
        "script", WeightsStatus(state=WeightsState.LOADED)
    )
    url = f"http://127.0.0.1:{parent.health.port}"

    ready = httpx.get(f"{url}/readyz").status_code
    parent.drain()

    assert ready == 200
    assert httpx.get(f"{url}/readyz").json()["detail"] == "The worker is draining."


def test_a_drain_stops_a_running_pull(create_supervisor, hub):
    hub.hold("paint.npy", 0.5)
    parent = create_supervisor({"tiny": TINY}, on_demand=())
    parent.on_ready(SimpleNamespace(task_consumer=None, call_soon=lambda *_: None))
    until(lambda: hub.counts["paint.npy"].bytes > 1e6, what="a megabyte")

    with capture_logs() as logs:
        parent.drain()
        until(lambda: any(line["event"] == "pull stopped" for line in logs), what="the end")


def test_the_status_folder_is_removed_at_the_end(create_supervisor):
    parent = create_supervisor()

    parent.stop()

    assert not parent.folder.exists()


def test_a_license_that_was_not_accepted_is_refused_before_any_download(create_supervisor, hub):
    with pytest.raises(UnsafeConfiguration, match="tiny-nc"):
        create_supervisor({"tiny-nc": UNFREE}, on_demand=())

    assert hub.requests == 0


def test_a_pod_name_outside_of_a_cluster_is_refused(tiny_settings, sessions, monkeypatch, tmp_path):
    monkeypatch.setattr(module.child_status.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    settings = tiny_settings.model_copy(update={"pod_name": "worker-1"})

    with pytest.raises(UnsafeConfiguration, match="KINOMILL_POD_NAME"):
        WorkerSupervisor.create(NAME, CARDS, frozenset({"tiny"}), settings, sessions, list)


def test_in_a_cluster_the_worker_marks_its_pod(tiny_settings, sessions, monkeypatch, tmp_path):
    monkeypatch.setattr(module.child_status.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT_HTTPS", "6443")
    settings = tiny_settings.model_copy(update={"pod_name": "worker-1"})

    parent = WorkerSupervisor.create(NAME, CARDS, frozenset({"tiny"}), settings, sessions, list)

    marker = parent.deletion_cost.marker
    assert (marker.pod, marker.host, marker.port) == ("worker-1", "10.0.0.1", 6443)
    parent.start()
    parent.stop()
