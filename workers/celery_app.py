"""The Celery app of a worker, which `python -m workers` starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery
from celery.signals import setup_logging

from jobs.queue.broker import celery_settings
from models import catalog
from runtime.logs import configure
from workers.celery_loader import InstalledLoader
from workers.parent.queue_subscriber import initial_queues
from workers.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from models.spec import Card


def make_app(settings: WorkerSettings, cards: Mapping[str, Card]) -> Celery:
    """A worker's app: one spawned child, one job at a time.

    At first it consumes the queues of models on demand only; see `workers.parent.queue_subscriber`.
    """
    common = celery_settings()
    patience = {"visibility_timeout": int(settings.visibility_timeout.total_seconds())}
    app = Celery(
        "kinomill",
        broker=settings.redis_url.get_secret_value(),
        include=["workers.tasks"],
        loader=InstalledLoader,
    )
    app.conf.update(
        common,
        broker_transport_options=common["broker_transport_options"] | patience,
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_reject_on_worker_lost=False,
        task_track_started=False,
        task_queues=None,
        task_default_queue=next(iter(cards.values())).queue,
        task_create_missing_queues=True,
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
    _declare(app, [card.queue for card in cards.values()])
    _consume(app, initial_queues(cards.values(), on_demand_of(settings)))
    return app


def _declare(app: Celery, queues: Iterable[str]) -> None:
    """Make all queues known to the app: it consumes those alone that are selected."""
    for queue in queues:
        app.amqp.queues[queue]


def _consume(app: Celery, queues: Iterable[str]) -> None:
    """Begin with these queues alone, be there none: Celery's own choice would be the default."""
    known = app.amqp.queues
    known.deselect(app.conf.task_default_queue)
    for queue in queues:
        known.select_add(known[queue])


def on_demand_of(settings: WorkerSettings) -> frozenset[str]:
    """Names of the models that are loaded by the first job that asks for them."""
    return frozenset(catalog.select_cards(settings.on_demand))


settings = WorkerSettings()
cards = catalog.select_cards(settings.models)
app = make_app(settings, cards)


@setup_logging.connect
def log_our_way(**_: object) -> None:
    """Keep Celery from setting up logging of its own, in the parent and in each child."""
    configure(log_format=settings.log_format, level=settings.log_level)
