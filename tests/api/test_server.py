"""The port is open and `/livez` responds before the app is built."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from api.app import create_app
from api.server import DeferredApp
from cli.stack import free_port
from tests.api.serving import closed_port, restored_logging, running
from tests.waiting import until


class SlowBuild:
    """Builds an app once `release` is set."""

    def __init__(self, settings):
        self.release = threading.Event()
        self.failed = threading.Event()
        self.app = None
        self._settings = settings

    def __call__(self):
        self.release.wait(30)
        self.app = create_app(self._settings)
        return self.app


@pytest.fixture
def slow_build(make_settings):
    return SlowBuild(make_settings())


@contextmanager
def deferred_app(slow_build):
    app = DeferredApp(slow_build, on_failure=slow_build.failed.set)
    with (
        restored_logging(),
        socket.create_server(("127.0.0.1", 0)) as listener,
        running(app, listener),
    ):
        yield app, f"http://127.0.0.1:{listener.getsockname()[1]}"


def get(url):
    return httpx.get(url, timeout=30, trust_env=False)


def test_livez_responds_before_the_app_is_built(slow_build):
    with deferred_app(slow_build) as (_, url):
        assert get(f"{url}/livez").json() == {"status": "ok"}
        assert slow_build.app is None
        slow_build.release.set()


def test_any_other_request_waits_for_the_app(slow_build):
    with deferred_app(slow_build) as (_, url), ThreadPoolExecutor() as callers:
        early = [callers.submit(get, f"{url}{path}") for path in ("/readyz", "/v1/models", "/nope")]
        assert get(f"{url}/livez").is_success
        assert not any(answer.done() for answer in early)
        slow_build.release.set()

        assert [answer.result(30).status_code for answer in early] == [200, 200, 404]


def test_the_app_handles_everything_once_it_is_built(slow_build):
    slow_build.release.set()
    with deferred_app(slow_build) as (_, url):
        assert get(f"{url}/readyz").is_success

        refused = httpx.post(f"{url}/livez", trust_env=False)

    assert refused.status_code == 405
    assert refused.json()["code"] == "method_not_allowed"


def test_a_failed_build_stops_the_server(slow_build, make_settings):
    slow_build._settings = make_settings(models=("nobody",))
    with deferred_app(slow_build) as (app, url), ThreadPoolExecutor() as callers:
        early = callers.submit(get, f"{url}/readyz")
        assert get(f"{url}/livez").is_success
        slow_build.release.set()

        assert slow_build.failed.wait(30)
        assert early.result(30).status_code == 503
        assert "nobody" in str(app.failure)


def test_a_stop_during_the_build_closes_the_app(slow_build):
    with deferred_app(slow_build) as (_, url):
        assert get(f"{url}/livez").is_success
        threading.Timer(0.3, slow_build.release.set).start()

    publisher = slow_build.app.state.context.publisher
    until(lambda: not publisher._thread.is_alive(), what="the end of the publisher")


def test_livez_needs_no_library_of_the_api():
    """Importing any of them takes a tenth of a second or more."""
    probe = (
        "import sys, api.__main__, cli.main, cli.serve; "
        "print({'fastapi', 'sqlalchemy', 'celery', 'redis', 'psycopg'} & set(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.strip() == "set()"


def test_a_port_in_use_is_reported_in_one_line(make_settings, tmp_path):
    port = closed_port()
    settings = make_settings()
    env = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "KINOMILL_STORAGE": str(tmp_path),
        "KINOMILL_SECRET_KEY": "x" * 32,
    }
    with socket.create_server(("127.0.0.1", port)):
        shown = subprocess.run(
            [sys.executable, "-m", "cli.main", "api", "--port", str(port)],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert shown.returncode != 0
    assert "Address already in use" in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "DATABASE_URL is required"),
        ({"KINOMILL_MODELS": '["nobody"]'}, "KINOMILL_MODELS: there is no model 'nobody'"),
    ],
)
def test_the_program_ends_with_a_message_for_invalid_settings(variables, words, tmp_path):
    complete = {
        "DATABASE_URL": "postgresql://127.0.0.1:9/none",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "KINOMILL_STORAGE": str(tmp_path),
        "KINOMILL_SECRET_KEY": "s" * 32,
    }
    program = ["-m", "cli.main", "api", "--port", str(free_port())] if variables else ["-m", "api"]
    done = subprocess.run(
        [sys.executable, *program],
        env={"PATH": os.environ["PATH"]} | (complete | variables if variables else {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
