"""Which queues a worker consumes: that of a warm model only once the model is loaded."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import structlog

from jobs.fleet.departure import ConsumedQueue
from workers.shared.startup_timing import log_phase, process_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from models.spec import Card
    from workers.parent.readiness import Readiness

log = structlog.get_logger()

POLL_SECONDS = 0.25


def initial_queues(cards: Iterable[Card], on_demand: Iterable[str]) -> list[str]:
    """Return the queues whose models are all on demand: they are consumed from the start."""
    cards, names = list(cards), set(on_demand)
    waiting = {card.queue for card in cards if card.name not in names}
    return list(dict.fromkeys(card.queue for card in cards if card.queue not in waiting))


class QueueSubscriber:
    """Adds queues to Celery's consumer as their models become ready.

    While a child is replaced, its queues stay: their jobs wait for the load. Only an operator who
    drains the worker removes them all, until it is resumed.
    """

    def __init__(
        self, cards: Mapping[str, Card], subscribed: Iterable[str], readiness: Readiness
    ) -> None:
        self._cards = cards
        self._subscribed = set(subscribed)
        self._initial = frozenset(self._subscribed)
        self._readiness = readiness
        self._stopping = False
        self._drained = False
        self._consumer: Any = None
        self._thread: threading.Thread | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The models whose queues are consumed now."""
        return tuple(name for name, card in self._cards.items() if card.queue in self._subscribed)

    @property
    def consumed(self) -> list[ConsumedQueue]:
        """The models whose queues are consumed now, with their queues."""
        return [ConsumedQueue(name, self._cards[name].queue) for name in self.models]

    @property
    def settled(self) -> bool:
        """Whether it hears of all jobs that it could run: of none while it is drained."""
        if self._consumer is None or self._consumer.connection is None:
            return False
        return self._drained or len(self.models) == len(self._cards)

    @property
    def drained(self) -> bool:
        """Whether an operator lets the worker take no job."""
        return self._drained

    def start(self, consumer: Any) -> None:
        """Start the thread: Celery's consumer runs."""
        self._consumer = consumer
        self._thread = threading.Thread(
            target=self._run, args=(consumer,), name="queue-subscriber", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Add no more queues. May be called in a signal handler, so it takes no lock."""
        self._stopping = True

    def set_drained(self, *, drained: bool) -> None:
        """Consume no queue while the worker is drained: its messages would wake nobody."""
        self._drained = drained

    def _run(self, consumer: Any) -> None:
        pause, told = threading.Event(), False
        while not self._stopping:
            try:
                self._follow(consumer)
            except Exception:
                log.exception("could not change the subscriptions")
            if not told and len(self.models) == len(self._cards):
                told = True
                log_phase("ready", process_seconds(), models=list(self._cards))
            pause.wait(POLL_SECONDS)

    def _follow(self, consumer: Any) -> None:
        if not self._drained and len(self.models) < len(self._cards):
            self._subscribe_ready(consumer)
        elif self._drained and self._subscribed:
            consumer.call_soon(self._unsubscribe, consumer)

    def _subscribe_ready(self, consumer: Any) -> None:
        ready = self._readiness.snapshot().ready
        cold = {card.queue for name, card in self._cards.items() if name not in ready}
        warm = {card.queue for card in self._cards.values()} - cold
        for queue in (warm | self._initial) - self._subscribed:
            consumer.call_soon(self._subscribe, consumer, queue)

    def _subscribe(self, consumer: Any, queue: str) -> None:
        """Run in the consumer's own loop. Without a broker connection the thread calls it again."""
        subscribed = queue in self._subscribed
        if self._stopping or self._drained or subscribed or consumer.task_consumer is None:
            return
        consumer.add_task_queue(queue)
        self._subscribed.add(queue)
        models = [name for name, card in self._cards.items() if card.queue == queue]
        log.info("taking jobs", models=models, queue=queue)

    def _unsubscribe(self, consumer: Any) -> None:
        """Run in the consumer's own loop, as `_subscribe`."""
        if self._stopping or not self._drained or consumer.task_consumer is None:
            return
        for queue in sorted(self._subscribed):
            consumer.cancel_task_queue(queue)
            self._subscribed.discard(queue)
        log.info("taking no jobs: drained by an operator")
