"""The Celery app of a worker, built by `python -m workers` and again by each spawned child.

Importing this module has no side effects.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown

from jobs.queue.broker import celery_settings
from runtime.logs.program import start_logging
from runtime.optional_imports import import_redis
from runtime.traces import tracing
from workers import tasks
from workers.celery_loader import InstalledLoader
from workers.parent.queue_subscriber import initial_queues
from workers.shared.served_models import on_demand_names, served_cards

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from models.spec import Card
    from workers.child.process import ChildProcess
    from workers.settings import WorkerSettings


class WorkerApp(Celery):
    """Celery's app with what its tasks need.

    Celery pickles the app for each spawned child. This one is pickled as its settings alone, and
    the child builds its own app from them.
    """

    settings: WorkerSettings
    worker: str
    """The name of the worker, for the log of its child."""
    child: ChildProcess | None = None
    """What the tasks use. None in the parent, which runs no task."""

    def __reduce__(self) -> tuple[Any, ...]:
        return make_child_app, (self.settings, self.worker)


def make_app(settings: WorkerSettings, cards: Mapping[str, Card], worker: str = "") -> WorkerApp:
    """Create the app of the worker of this name: one task per model, one spawned child, one job.

    It consumes `initial_queues` at first; `workers.parent.queue_subscriber` adds the others.
    """
    common = celery_settings()
    timeout = {"visibility_timeout": int(settings.visibility_timeout.total_seconds())}
    broker = settings.redis_url.get_secret_value()
    app = WorkerApp("kinomill", broker=broker, loader=InstalledLoader)
    app.settings, app.worker = settings, worker
    app.conf.update(
        common,
        broker_transport_options=common["broker_transport_options"] | timeout,
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_reject_on_worker_lost=False,
        task_track_started=False,
        task_queues=None,
        task_default_queue=next(iter(cards.values())).queue,
        task_create_missing_queues=True,
        broker_transport="workers.parent.transport:Transport",
        worker_consumer="workers.parent.consumer:Consumer",
        worker_pool="prefork",
        worker_pool_start_method="spawn",
        worker_concurrency=1,
        worker_prefetch_multiplier=1,
        worker_proc_alive_timeout=120,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_max_tasks_per_child=None,
    )
    tasks.register(app, cards.values(), settings)
    _declare(app, [card.queue for card in cards.values()])
    _consume(app, initial_queues(cards.values(), on_demand_names(settings)))
    return app


def make_child_app(settings: WorkerSettings, worker: str) -> WorkerApp:
    """Create the app of a spawned child, which warms up its models as soon as Celery is ready."""
    import_redis()
    from workers.child.process import ChildProcess

    set_up_logging(settings, worker)
    cards = served_cards(settings)
    app = make_app(settings, cards, worker)
    app.child = child = ChildProcess(settings, cards)
    worker_process_init.connect(lambda **_: child.warm_up(), weak=False)
    tracing.start("kinomill-worker")
    worker_process_shutdown.connect(lambda **_: tracing.stop(), weak=False)
    return app


def set_up_logging(settings: WorkerSettings, worker: str) -> None:
    """Configure the logs of this process, and keep Celery from doing it its own way.

    Each line names the worker: those of a host's GPUs write to one stream.
    """
    start_logging(settings, worker=worker)
    setup_logging.connect(lambda **_: None, weak=False)
    pool = logging.getLogger("multiprocessing")  # billiard keeps what it logs from other handlers
    pool.handlers[:], pool.propagate = logging.getLogger().handlers, False


def _declare(app: Celery, queues: Iterable[str]) -> None:
    """Make all queues known to the app, which consumes only the selected ones."""
    for queue in queues:
        app.amqp.queues[queue]


def _consume(app: Celery, queues: Iterable[str]) -> None:
    """Consume only these queues, even if the list is empty.

    Otherwise Celery would consume its default queue.
    """
    known = app.amqp.queues
    known.deselect(app.conf.task_default_queue)
    for queue in queues:
        known.select_add(known[queue])
