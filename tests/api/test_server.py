"""The port is open, and `/livez` answers, before the API behind it is there."""

from __future__ import annotations

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
from tests.api.serving import closed_port, logging_kept, running
from tests.waiting import until


class Making:
    """An app that is made once it may be."""

    def __init__(self, settings):
        self.may_go_on = threading.Event()
        self.given_up = threading.Event()
        self.app = None
        self._settings = settings

    def __call__(self):
        self.may_go_on.wait(30)
        self.app = create_app(self._settings)
        return self.app


@pytest.fixture
def making(make_settings):
    return Making(make_settings())


@contextmanager
def open_door(making):
    app = DeferredApp(making, on_failure=making.given_up.set)
    with (
        logging_kept(),
        socket.create_server(("127.0.0.1", 0)) as listener,
        running(app, listener),
    ):
        yield app, f"http://127.0.0.1:{listener.getsockname()[1]}"


def get(url):
    return httpx.get(url, timeout=30, trust_env=False)


def test_it_is_alive_before_it_is_made(making):
    with open_door(making) as (_, url):
        assert get(f"{url}/livez").json() == {"status": "ok"}
        assert making.app is None
        making.may_go_on.set()


def test_any_other_request_waits_and_is_answered(making):
    with open_door(making) as (_, url), ThreadPoolExecutor() as callers:
        early = [callers.submit(get, f"{url}{path}") for path in ("/readyz", "/v1/models", "/nope")]
        assert get(f"{url}/livez").is_success
        assert not any(answer.done() for answer in early)
        making.may_go_on.set()

        assert [answer.result(30).status_code for answer in early] == [200, 200, 404]


def test_once_made_it_answers_everything_itself(making):
    making.may_go_on.set()
    with open_door(making) as (_, url):
        assert get(f"{url}/readyz").is_success

        refused = httpx.post(f"{url}/livez", trust_env=False)

    assert refused.status_code == 405
    assert refused.json()["code"] == "method_not_allowed"


def test_an_api_that_cannot_be_made_ends_the_server(making, make_settings):
    making._settings = make_settings(models=("nobody",))
    with open_door(making) as (app, url), ThreadPoolExecutor() as callers:
        early = callers.submit(get, f"{url}/readyz")
        assert get(f"{url}/livez").is_success
        making.may_go_on.set()

        assert making.given_up.wait(30)
        assert early.result(30).status_code == 503
        assert "nobody" in str(app.failure)


def test_told_to_stop_too_soon_it_closes_what_was_made(making):
    with open_door(making) as (_, url):
        assert get(f"{url}/livez").is_success
        threading.Timer(0.3, making.may_go_on.set).start()

    publisher = making.app.state.context.publisher
    until(lambda: not publisher._thread.is_alive(), what="the end of the publisher")


def test_it_is_alive_without_the_libraries_of_the_api():
    """Each of them costs a start a tenth of a second or more."""
    probe = (
        "import sys, api.server, api.settings, cli.main, cli.serve; "
        "print({'fastapi', 'sqlalchemy', 'celery', 'redis', 'psycopg'} & set(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.strip() == "set()"


def test_a_taken_port_is_told_of_in_a_line(make_settings, tmp_path):
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
    assert "address already in use" in shown.stderr
    assert "Traceback" not in shown.stderr
