"""Fixtures for jobs that run in this process, or in real workers, with real servers."""

from __future__ import annotations

import shutil
import threading
from datetime import timedelta
from ipaddress import ip_network

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from jobs.queue.broker import Broker, message_for
from jobs.queue.end_hints import EndHints
from models import catalog
from runtime.database import (
    create_database_engine,
    create_session_factory,
    create_worker_engine,
)
from runtime.postgres.direct import DirectConnection
from storage.local.store import LocalStorage
from storage.web.url_policy import UrlPolicy
from tests.jobs import build
from tests.weights.fake_hub import fake_hub
from tests.workers import script
from tests.workers.process import WorkerProcess
from tests.workers.tiny import painting
from workers.celery_app import make_app
from workers.child.model_cache import ModelCache
from workers.child.run_job import WorkerContext
from workers.settings import WorkerSettings
from workers.shared.model_weights import ModelWeights
from workers.shared.served_models import served_cards

SECRET = "a secret of the tests, of 32 letters"
MODELS = '["tests.workers.script:CARD", "tests.workers.script:HASTY", "preview-lipsync"]'


@pytest.fixture
def storage(tmp_path):
    return LocalStorage(tmp_path / "store", public_url="http://api.test", secret=SECRET.encode())


@pytest.fixture
def settings(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return WorkerSettings(
        database_url="postgresql://unused",
        redis_url="redis://unused",
        storage="unused",
        secret_key=SECRET,
        scratch=scratch,
        weights=tmp_path / "volume",
        heartbeat_interval=timedelta(seconds=0.05),
        cancel_grace=timedelta(seconds=20),
    )


@pytest.fixture
def policy():
    return UrlPolicy(
        allow_http=True,
        allowed_networks=(ip_network("127.0.0.0/8"),),
        ports=frozenset(range(1024, 65536)),
    )


@pytest.fixture
def worker_engine(database_url):
    """The engine of a worker's child."""
    engine = create_worker_engine(database_url, transactions=False)
    yield engine
    engine.dispose()


@pytest.fixture
def hints(broker_url):
    hints = EndHints(broker_url)
    yield hints
    hints.close()


@pytest.fixture
def context(settings, sessions, worker_engine, storage, policy, hints):
    names = ["preview-lipsync", "tests.workers.script:CARD", "tests.workers.script:HASTY"]
    return WorkerContext(
        name="kinomill@test",
        settings=settings,
        cards=catalog.select_cards(names),
        engine=worker_engine,
        storage=storage,
        policy=policy,
        model_cache=ModelCache(ModelWeights(settings)),
        hints=hints,
    )


@pytest.fixture
def trips(monkeypatch):
    """How many statements went to the database in each round trip of claims and publications."""

    def execute_together(self, requests):
        counts.append(len(requests))
        return execute(self, requests)

    counts, execute = [], DirectConnection.execute_together
    monkeypatch.setattr(DirectConnection, "execute_together", execute_together)
    return counts


@pytest.fixture
def act(monkeypatch):
    """Give the script model an act that the test defines; returns its name."""

    def add(what):
        monkeypatch.setitem(script.ACTS, "made_up", lambda _, report: what(report))
        return "made_up"

    return add


@pytest.fixture
def in_thread():
    """Run calls in threads; the returned function joins one and returns its value."""
    threads = []

    def start(function):
        box = {}

        def run():
            try:
                box["value"] = function()
            except BaseException as error:
                box["error"] = error
                raise

        thread = threading.Thread(target=run)
        thread.start()
        threads.append(thread)

        def join():
            thread.join(60)
            assert not thread.is_alive()
            return box["value"]

        return join

    yield start
    for thread in threads:
        thread.join(60)


@pytest.fixture(scope="session")
def worker_settings(database_url, broker_url, tmp_path_factory):
    """The settings of a worker of the script models, on the servers of these tests."""
    folder = tmp_path_factory.mktemp("worker")
    return WorkerSettings(
        database_url=database_url,
        redis_url=broker_url,
        storage=str(folder / "store"),
        secret_key=SECRET,
        heartbeat_file=folder / "alive",
        weights=folder / "volume",
        scratch=folder,
        models=("tests.workers.script:CARD", "tests.workers.script:HASTY"),
    )


@pytest.fixture(scope="session")
def worker_app(worker_settings):
    """The app of that worker."""
    with make_app(worker_settings, served_cards(worker_settings)) as app:
        yield app


class CuttableDatabase:
    """A connection to the database that can be cut: a link to the folder of its socket."""

    def __init__(self, database_url, path):
        self._url = make_url(database_url)
        self._path = path
        self.restore()
        self.url = self._url.update_query_dict({"host": str(path)})

    def restore(self):
        self._path.symlink_to(self._url.query["host"])

    def cut(self, sessions):
        """Refuse new connections and close the present ones."""
        self._path.unlink()
        others = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'kinomill%' AND pid <> pg_backend_pid()"
        )
        with sessions.begin() as session:
            session.execute(others)


@pytest.fixture
def database_link(database_url, tmp_path):
    return CuttableDatabase(database_url, tmp_path / "line")


@pytest.fixture
def link_sessions(database_link, sessions):
    """A session factory on a connection that can be cut."""
    engine = create_database_engine(database_link.url.render_as_string(hide_password=False))
    yield create_session_factory(engine)
    engine.dispose()


@pytest.fixture
def link_engine(database_link, sessions):
    """The engine of a worker's child on a connection that can be cut."""
    url = database_link.url.render_as_string(hide_password=False)
    engine = create_worker_engine(url, transactions=False)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def store(folder):
    return LocalStorage(folder / "store", public_url="http://api.test", secret=SECRET.encode())


@pytest.fixture(scope="module")
def launch_worker(database_url, broker_url, folder):
    """Start workers, each on a broker database of its own; all are killed at the end."""
    launched, brokers = [], {}

    def start(name, *, broker, **variables):
        home = folder / name
        home.mkdir()
        url = broker_url.removesuffix("/0") + f"/{broker}"
        usual = {
            "DATABASE_URL": database_url,
            "REDIS_URL": url,
            "KINOMILL_STORAGE": str(folder / "store"),
            "KINOMILL_SECRET_KEY": SECRET,
            "KINOMILL_MODELS": MODELS,
            "KINOMILL_SCRATCH": str(home),
            "KINOMILL_WEIGHTS": str(home / "volume"),
            "KINOMILL_LOG_FORMAT": "json",
            "KINOMILL_HEARTBEAT_INTERVAL": "0.2",
            "KINOMILL_WORKER_HEARTBEAT_INTERVAL": "0.3",
            "KINOMILL_CANCEL_GRACE": "1",
        }
        worker = WorkerProcess(home, name=name, **usual | variables)
        launched.append(worker)
        worker.broker_url = url
        worker.broker = brokers.setdefault(broker, Broker(url))
        return worker

    yield start
    for worker in launched:
        worker.close()
    for broker in brokers.values():
        broker.close()


@pytest.fixture(scope="module")
def start_worker(launch_worker):
    """Start workers and wait until they are ready."""
    return lambda name, **options: launch_worker(name, **options).await_ready()


@pytest.fixture
def gate(tmp_path):
    """A file for which the jobs of this test wait; it always exists at the end."""
    path = tmp_path / "gate"
    yield path
    path.touch()


@pytest.fixture
def submit_to(sessions):
    """Submit a job of the script model and publish it to a worker; returns its id."""

    def submit_to(worker, *acts, gate="", model="script"):
        params = {"acts": list(acts), "gate": str(gate)}
        job_id = build.submitted(sessions, model=model, queue="script", input=params)
        worker.broker.wake([message_for(build.job(sessions, job_id))], 1000)
        return job_id

    return submit_to


@pytest.fixture
def hub():
    """The Hub, with the weights of the tiny model."""
    with fake_hub() as hub:
        hub.add(painting.REPO, painting.files())
        yield hub


@pytest.fixture
def tiny_settings(settings, hub):
    """One connection: a hub that holds a file back then holds it at the same byte each time."""
    return settings.model_copy(update={"hf_endpoint": hub.url, "weights_connections": 1})


@pytest.fixture
def model_weights(tiny_settings):
    return ModelWeights(tiny_settings)


@pytest.fixture
def gates(tmp_path, monkeypatch):
    """A file of a gate's name closes that gate of the tiny model; all are open at the end."""
    folder = tmp_path / "gates"
    folder.mkdir()
    monkeypatch.setenv("TINY_GATES", str(folder))
    yield folder
    shutil.rmtree(folder)
