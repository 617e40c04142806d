"""A busy worker marks its pod, over the API of Kubernetes: here a small server with TLS."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from structlog.testing import capture_logs

from tests.storage.authority import Authority
from tests.waiting import until
from workers.parent import pod_deletion_cost as module
from workers.parent.pod_deletion_cost import BUSY, IDLE, PodDeletionCost, PodMarker, PodNotMarked

POD = "lipsync-7d9f8-x2kqp"


class Cluster:
    """Accepts the patch of one pod with the token of its service account."""

    def __init__(self, folder):
        self.status, self.token = 200, "first"
        self.costs, self.refused = [], 0
        authority = Authority(folder)
        authority.bundle.rename(folder / "ca.crt")
        self.folder = folder
        self.write_token()
        (folder / "namespace").write_text("media")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        context = authority.server_context("localhost")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def write_token(self):
        (self.folder / "token").write_text(f"{self.token}\n")

    def handler(self):
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def do_PATCH(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = cluster.answer(self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        return Handler

    def answer(self, path, headers, body):
        if headers["Authorization"] != f"Bearer {self.token}":
            return 401
        if path != f"/api/v1/namespaces/media/pods/{POD}":
            return 404
        if headers["Content-Type"] != "application/merge-patch+json":
            return 415
        if self.status != 200:
            self.refused += 1
            return self.status
        assert list(body) == ["metadata"]
        assert list(body["metadata"]) == ["annotations"]
        [(name, cost)] = body["metadata"]["annotations"].items()
        assert name == "controller.kubernetes.io/pod-deletion-cost"
        self.costs.append(cost)
        return 200

    def marker(self, pod=POD):
        return PodMarker(pod, "localhost", self.server.server_port, self.folder)

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


@pytest.fixture
def tasks(cluster, monkeypatch):
    """The tasks of a worker whose pod is marked; a test changes them."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    tasks = []
    cost = PodDeletionCost(cluster.marker(), lambda: iter(list(tasks)))
    cost.start()
    yield tasks
    cost.stop()


def test_a_pod_is_marked_while_the_worker_is_busy(cluster, tasks):
    until(lambda: cluster.costs == [IDLE])
    tasks.append("job")
    until(lambda: cluster.costs == [IDLE, BUSY])
    tasks.clear()
    until(lambda: cluster.costs == [IDLE, BUSY, IDLE])


def test_the_mark_that_a_crashed_worker_left_is_removed(cluster):
    cluster.marker().set_cost(BUSY)
    cost = PodDeletionCost(cluster.marker(), lambda: ())

    cost.start()

    until(lambda: cluster.costs == [BUSY, IDLE])
    cost.stop()


def test_a_failure_is_logged_once_and_tried_again(cluster, tasks):
    until(lambda: cluster.costs == [IDLE])
    with capture_logs() as logs:
        cluster.status = 403
        tasks.append("job")
        until(lambda: cluster.refused >= 3)
        cluster.status = 200
        until(lambda: cluster.costs == [IDLE, BUSY])

    assert [line["event"] for line in logs] == ["pod not marked, it may be ended while busy"]
    assert "the verb patch of the resource pods" in logs[0]["error"]


def test_a_new_token_is_used_at_once(cluster):
    marker = cluster.marker()
    marker.set_cost(BUSY)
    cluster.token = "second"
    with pytest.raises(PodNotMarked, match="status 401"):
        marker.set_cost(IDLE)

    cluster.write_token()
    marker.set_cost(IDLE)

    assert cluster.costs == [BUSY, IDLE]


def test_a_server_that_the_cluster_does_not_vouch_for_gets_no_token(cluster, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    Authority(other).bundle.rename(tmp_path / "ca.crt")

    with pytest.raises(PodNotMarked, match="certificate verify failed"):
        cluster.marker().set_cost(BUSY)
    assert cluster.costs == []


def test_without_a_service_account_the_reason_is_named(tmp_path):
    with pytest.raises(PodNotMarked, match="token"):
        PodMarker(POD, "localhost", 443, tmp_path).set_cost(BUSY)


def test_the_name_of_a_pod_cannot_leave_its_path(cluster):
    with pytest.raises(PodNotMarked, match="status 404"):
        cluster.marker("../secrets/kinomill?x=").set_cost(BUSY)
