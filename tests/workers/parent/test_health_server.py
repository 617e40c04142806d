"""The health endpoints of a worker, over real HTTP."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import httpx
import pytest

from workers.parent.health_server import HealthServer
from workers.preflight import UnsafeConfiguration


@pytest.fixture
def why():
    """The reasons that the readiness returns; each test may change them."""
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


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


IPV6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize("host", [pytest.param("::1", marks=IPV6), "localhost"])
def test_it_listens_on_ipv6_and_on_a_name(host):
    readiness = SimpleNamespace(not_started_reason=lambda: None, not_ready_reason=lambda: None)
    health = HealthServer(host, 0, readiness)
    health.start()
    name = f"[{host}]" if ":" in host else host

    answer = httpx.get(f"http://{name}:{health.port}/livez", trust_env=False)
    health.stop()

    assert answer.json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/startupz", "/startup"])
def test_a_worker_that_has_not_started_answers_503_with_progress(ask, why, path):
    answer = ask(path)

    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable"} | why["started"]


@pytest.mark.parametrize("path", ["/livez", "/health", "/readyz", "/readyz?verbose"])
def test_passing_checks_answer_200(ask, path):
    answer = ask(path)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_worker_that_is_not_ready_answers_with_the_reason(ask, why):
    why["ready"] = {"detail": "The worker is draining."}

    assert ask("/readyz").status_code == 503
    assert ask("/readyz").json()["detail"] == "The worker is draining."


def test_other_paths_answer_404_and_metrics_that_are_off(ask):
    assert ask("/metrics").status_code == 404


def test_a_head_request_gets_no_body(ask):
    with httpx.Client(base_url=str(ask("/livez").request.url.join("/"))) as client:
        answer = client.head("/startupz")

    assert (answer.status_code, answer.content) == (503, b"")


def test_a_port_in_use_is_refused_with_what_to_set():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(UnsafeConfiguration, match="KINOMILL_HEALTH_PORT"):
            HealthServer(
                "127.0.0.1", port, SimpleNamespace(not_started_reason=None, not_ready_reason=None)
            )
