"""The API on a real PostgreSQL and a real Valkey, with storage in a temporary folder."""

from __future__ import annotations

import json
import shutil
import warnings
from base64 import b64decode
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace

import pytest
from starlette.exceptions import StarletteDeprecationWarning

from api.app import create_app
from api.context import queue_snapshot
from tests.api.build import MODEL
from tests.api.serving import closed_port, restored_logging, serving, settings_of
from tests.waiting import until

with warnings.catch_warnings():  # Starlette prefers httpx2; we use httpx
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.testclient import TestClient

BASE = "http://testserver"
RECORDS = ".kinomill-record"
"""Files that the local store keeps beside its objects."""


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Nothing is remembered: each test changes the database behind the API's back."""
    monkeypatch.setattr(queue_snapshot, "FRESH_SECONDS", 0)
    monkeypatch.setattr(queue_snapshot, "STALE_SECONDS", 0)
    monkeypatch.setattr(queue_snapshot, "MAX_SHARE", 1e9)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """The storage folder that all apps share."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="session")
def make_settings(database_url, broker_url, store):
    return partial(settings_of, database_url=database_url, redis_url=broker_url, storage=str(store))


@pytest.fixture(scope="session")
def client(make_settings):
    """A client of one app for all tests: the app has no state."""
    with restored_logging():
        client = _client(make_settings(public_url=BASE))
    with client:
        yield client


@pytest.fixture
def start(make_settings):
    """Start another app, with other settings; returns a client of it."""
    with _starting(make_settings) as start:
        yield start


@pytest.fixture(scope="module")
def start_once(make_settings):
    """The same, for an app that all tests of a module share."""
    with _starting(make_settings) as start:
        yield start


@pytest.fixture(scope="module")
def app_with_keys(start_once):
    return start_once(auth="keys")


@pytest.fixture
def client_with_keys(app_with_keys):
    """A client without cookies of an app that requires keys."""
    app_with_keys.cookies.clear()
    return app_with_keys


@contextmanager
def _starting(make_settings):
    with restored_logging(), ExitStack() as running:
        yield lambda **changes: running.enter_context(
            _client(make_settings(**({"public_url": BASE} | changes)))
        )


def _client(settings):
    return TestClient(
        create_app(settings), base_url=BASE, follow_redirects=False, raise_server_exceptions=False
    )


@pytest.fixture(scope="session")
def server(make_settings):
    """URL of an app under uvicorn."""
    with ExitStack() as running:
        with restored_logging():
            url = running.enter_context(serving(make_settings))
        yield url


@pytest.fixture
def unreachable_database():
    return f"postgresql+psycopg://nobody@127.0.0.1:{closed_port()}/kinomill"


@pytest.fixture
def unreachable_broker():
    return f"redis://127.0.0.1:{closed_port()}/0"


@pytest.fixture
def stored(store):
    """The keys in storage, without records of objects; it is emptied first."""
    shutil.rmtree(store)
    store.mkdir()
    folder = store / "objects"

    def keys():
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != RECORDS]
        return sorted(path.relative_to(folder).as_posix() for path in files)

    return keys


@pytest.fixture
def messages(redis):
    """Read the broker messages of a job, once there is one."""

    def read(job_id, queue=MODEL):
        def found():
            decoded = [_decoded(message) for message in redis.lrange(queue, 0, -1)]
            return [message for message in decoded if message.args == [job_id]]

        return until(found, seconds=10, what="a message")

    return read


def _decoded(message):
    envelope = json.loads(message)
    args, options, _ = json.loads(b64decode(envelope["body"]))
    headers = envelope["headers"]
    return SimpleNamespace(task=headers["task"], id=headers["id"], args=args, options=options)


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder
