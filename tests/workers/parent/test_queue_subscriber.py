"""Queues are consumed as their models become ready; a fake replaces Celery's consumer."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from tests.waiting import until
from tests.workers import script
from workers.parent.queue_subscriber import QueueSubscriber, initial_queues

ONE = replace(script.CARD, name="one", queue="one")
TWO, TWIN = replace(ONE, name="two", queue="two"), replace(ONE, name="twin", queue="two")
CARDS = {card.name: card for card in (ONE, TWO, TWIN)}


class Consumer:
    """Runs calls at once, in the caller's thread; has no connection at first."""

    def __init__(self):
        self.task_consumer = None
        self.queues = []

    def call_soon(self, act, *args):
        act(*args)

    def add_task_queue(self, queue):
        self.queues.append(queue)

    def cancel_task_queue(self, queue):
        self.queues.remove(queue)


@pytest.fixture
def ready():
    return set()


@pytest.fixture
def subscriber(ready):
    readiness = SimpleNamespace(snapshot=lambda: SimpleNamespace(ready=frozenset(ready)))
    subscriber = QueueSubscriber(CARDS, [], readiness)
    yield subscriber
    subscriber.stop()
    subscriber._thread.join(10)


@pytest.fixture
def consumer(subscriber):
    consumer = Consumer()
    subscriber.start(consumer)
    return consumer


def test_queues_with_only_on_demand_models_are_consumed_from_the_start():
    assert initial_queues(CARDS.values(), []) == []
    assert initial_queues(CARDS.values(), ["one", "two"]) == ["one"]
    assert initial_queues(CARDS.values(), ["two", "twin"]) == ["two"]


def test_a_queue_is_consumed_when_all_its_models_are_ready(subscriber, consumer, ready):
    consumer.task_consumer = object()
    ready.add("two")
    ready.add("one")
    until(lambda: consumer.queues == ["one"], what="the first queue")
    assert subscriber.models == ("one",)

    with capture_logs() as logs:
        ready.add("twin")
        until(lambda: len(logs) == 2, what="the second queue")

    assert consumer.queues == ["one", "two"]

    assert subscriber.models == ("one", "two", "twin")
    assert [entry.get("phase") for entry in logs] == [None, "ready"]


def test_during_a_broker_outage_the_subscription_is_retried(subscriber, consumer, ready):
    ready.update({"one"})
    assert consumer.queues == []

    consumer.task_consumer = object()

    until(lambda: consumer.queues == ["one"], what="the queue")


def test_a_connection_error_does_not_end_the_thread(subscriber, consumer, ready):
    real = consumer.add_task_queue
    errors = iter([ConnectionError("cut")])

    def add_task_queue(queue):
        for error in errors:
            raise error
        real(queue)

    consumer.add_task_queue = add_task_queue
    consumer.task_consumer = object()
    ready.add("one")

    until(lambda: consumer.queues == ["one"], what="the queue")


def test_a_draining_worker_adds_no_queue(subscriber, consumer, ready):
    consumer.task_consumer = object()

    subscriber.stop()
    subscriber._thread.join(10)
    ready.add("one")
    subscriber._subscribe_ready(consumer)

    assert consumer.queues == []


def test_a_drained_worker_consumes_no_queue_until_it_is_resumed(subscriber, consumer, ready):
    consumer.task_consumer = object()
    ready.update({"one", "two", "twin"})
    until(lambda: sorted(consumer.queues) == ["one", "two"], what="both queues")

    subscriber.set_drained(drained=True)
    until(lambda: consumer.queues == [], what="no queue")
    assert subscriber.models == ()

    subscriber.set_drained(drained=False)
    until(lambda: sorted(consumer.queues) == ["one", "two"], what="both queues again")
