"""The Celery app of a worker: its queues, the child's own app, and imports without side effects."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from celery.signals import setup_logging, worker_process_init

from workers.celery_app import make_app
from workers.child.process import ChildProcess
from workers.shared.served_models import served_cards

START = """
import sys
from workers.__main__ import create_worker
worker = create_worker("importer@test")
for name in ("workers.child", "torch", "numpy"):
    assert name not in sys.modules, name
"""


def consumed_first(settings, **changes):
    settings = settings.model_copy(update=changes)
    with make_app(settings, served_cards(settings)) as app:
        return set(app.amqp.queues.consume_from)


def test_a_worker_consumes_no_queue_of_a_warm_model_at_first(worker_app, worker_settings):
    one = ("tests.workers.script:CARD",)
    both = (*one, "tests.workers.script:HASTY")

    assert set(worker_app.amqp.queues.consume_from) == set()
    assert consumed_first(worker_settings, on_demand=one) == set()
    assert consumed_first(worker_settings, on_demand=both) == {"script"}


@pytest.fixture
def handlers():
    """Undo what a child's app connects to Celery's signals."""
    signals = (setup_logging, worker_process_init)
    before = [list(signal.receivers or []) for signal in signals]
    yield
    for signal, receivers in zip(signals, before, strict=True):
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


@pytest.mark.usefixtures("handlers")
def test_a_child_builds_its_own_app_from_the_settings(worker_app, worker_settings):
    with pickle.loads(pickle.dumps(worker_app)) as app:
        assert app is not worker_app
        assert isinstance(app.child, ChildProcess)
        assert app.settings == worker_settings
        assert {"script", "hasty"} <= set(app.tasks)
        assert app.conf.broker_transport_options == worker_app.conf.broker_transport_options
    assert worker_app.child is None


def test_importing_the_app_reads_no_settings():
    program = "import workers.celery_app, workers.tasks, workers.parent.lifecycle"

    subprocess.run([sys.executable, "-c", program], env={}, check=True)


def test_a_parent_imports_neither_its_child_s_code_nor_a_media_library(
    worker_settings, monkeypatch
):
    variables = {
        "DATABASE_URL": worker_settings.database_url.get_secret_value(),
        "REDIS_URL": worker_settings.redis_url.get_secret_value(),
        "KINOMILL_STORAGE": worker_settings.storage,
        "KINOMILL_SECRET_KEY": worker_settings.secret_key.get_secret_value(),
        "KINOMILL_WEIGHTS": str(worker_settings.weights),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    subprocess.run([sys.executable, "-c", START], check=True)
