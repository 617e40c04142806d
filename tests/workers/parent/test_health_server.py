"""The worker's running_tasks to a platform that asks, over real HTTP."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import httpx
import pytest

from workers.parent.health_server import HealthServer
from workers.preflight import UnsafeConfiguration


@pytest.fixture
def why():
    """What the worker lacks, as each test has it."""
    return {"started": {"phase": "downloading_weights", "percent": 63.0}, "ready": None}


@pytest.fixture
def ask(why):
    readiness = SimpleNamespace(
        not_started_reason=lambda: why["started"], not_ready_reason=lambda: why["ready"]
    )
    health = HealthServer("127.0.0.1", 0, readiness)
    health.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{health.port}") as client:
        yield client.get
    health.stop()


@pytest.mark.parametrize("path", ["/startupz", "/startup"])
def test_a_start_that_goes_on_is_503_with_how_far_it_is(ask, why, path):
    answer = ask(path)

    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable"} | why["started"]


@pytest.mark.parametrize("path", ["/livez", "/health", "/readyz", "/readyz?verbose"])
def test_what_is_well_is_200(ask, path):
    answer = ask(path)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_worker_that_is_not_ready_says_why(ask, why):
    why["ready"] = {"detail": "The worker is draining."}

    assert ask("/readyz").status_code == 503
    assert ask("/readyz").json()["detail"] == "The worker is draining."


def test_anything_else_is_404(ask):
    assert ask("/metrics").status_code == 404


def test_a_probe_that_wants_no_body_gets_none(ask):
    with httpx.Client(base_url=str(ask("/livez").request.url.join("/"))) as client:
        answer = client.head("/startupz")

    assert (answer.status_code, answer.content) == (503, b"")


def test_a_port_that_is_taken_is_refused_with_a_remedy():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(UnsafeConfiguration, match="KINOMILL_HEALTH_PORT"):
            HealthServer(
                "127.0.0.1", port, SimpleNamespace(not_started_reason=None, not_ready_reason=None)
            )
