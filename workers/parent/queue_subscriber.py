"""Which queues a worker takes calls from: that of a warm model once it can run it, not before."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import structlog

from workers.shared.startup_timing import log_phase, process_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from models.spec import Card
    from workers.parent.readiness import Readiness

log = structlog.get_logger()

POLL_SECONDS = 0.25


def initial_queues(cards: Iterable[Card], on_demand: Iterable[str]) -> list[str]:
    """The queues all of whose models are on demand."""
    cards, names = list(cards), set(on_demand)
    waiting = {card.queue for card in cards if card.name not in names}
    return list(dict.fromkeys(card.queue for card in cards if card.queue not in waiting))


class QueueSubscriber:
    """Opens queues, in the loop of Celery's consumer, as their models become ready.

    A queue that was opened stays open: while a child is replaced, its jobs wait for the load.
    """

    def __init__(
        self, cards: Mapping[str, Card], opened: Iterable[str], readiness: Readiness
    ) -> None:
        self._cards = cards
        self._opened = set(opened)
        self._readiness = readiness
        self._over = False
        self._thread: threading.Thread | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The models whose queues are open now."""
        return tuple(name for name, card in self._cards.items() if card.queue in self._opened)

    def start(self, consumer: Any) -> None:
        """Celery's consumer runs."""
        self._thread = threading.Thread(
            target=self._run, args=(consumer,), name="consuming", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Open nothing more. May be called in a signal handler."""
        self._over = True

    def _run(self, consumer: Any) -> None:
        over = threading.Event()
        while not self._over and len(self.models) < len(self._cards):
            try:
                self._ask(consumer)
            except Exception:
                log.exception("could not open a queue")
            over.wait(POLL_SECONDS)
        if not self._over:
            log_phase("ready", process_seconds(), models=list(self._cards))

    def _ask(self, consumer: Any) -> None:
        ready = self._readiness.snapshot().ready
        cold = {card.queue for name, card in self._cards.items() if name not in ready}
        for queue in {card.queue for card in self._cards.values()} - cold - self._opened:
            consumer.call_soon(self._open, consumer, queue)

    def _open(self, consumer: Any, queue: str) -> None:
        """In the consumer's own loop. While the broker is away it is asked again."""
        if self._over or queue in self._opened or consumer.task_consumer is None:
            return
        consumer.add_task_queue(queue)
        self._opened.add(queue)
        models = [name for name, card in self._cards.items() if card.queue == queue]
        log.info("taking jobs", models=models, queue=queue)
