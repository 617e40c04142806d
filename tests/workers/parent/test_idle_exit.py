"""When a worker counts as idle, and what it does then."""

from __future__ import annotations

import signal
from datetime import timedelta
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from jobs.fleet import departure, worker_registry
from jobs.tables import Worker
from tests.jobs import build
from tests.workers import script
from workers.parent import idle_exit as module
from workers.parent.consumer import Consumer
from workers.parent.idle_exit import IdleExit
from workers.parent.queue_subscriber import QueueSubscriber
from workers.parent.readiness import ReadinessSnapshot

NAME = "idle@test"


class Clock:
    """Stands for the time that passes between two looks."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def signals(monkeypatch):
    """The signals that it sends to its own process."""
    sent = []
    monkeypatch.setattr(module.os, "kill", lambda _, number: sent.append(number))
    return sent


@pytest.fixture
def parent(sessions, monkeypatch, clock, signals):
    """An idle worker of one model, registered, connected and ready; its parts can be changed."""
    with sessions.begin() as session:
        worker_registry.register(session, NAME, models=["script"], pid=7)
    monkeypatch.setattr(Consumer, "received_messages", 0)
    now = ReadinessSnapshot({"script": None}, frozenset({"script"}), 0, child_alive=True)
    readiness = SimpleNamespace(now=now, snapshot=lambda: readiness.now)
    cards = {"script": script.CARD}
    subscriber = QueueSubscriber(cards, ["script"], readiness)
    subscriber.stop()
    consumer = SimpleNamespace(connection=object())
    subscriber.start(consumer)
    worker = SimpleNamespace(name=NAME, instance="", sessions=sessions)
    idle = IdleExit(timedelta(seconds=10), worker, subscriber, readiness)
    monkeypatch.setattr(module, "state", SimpleNamespace(reserved_requests=[]))
    monkeypatch.setattr(ReadinessSnapshot, "changing", False)
    idle.check()
    return SimpleNamespace(
        idle=idle, clock=clock, signals=signals, readiness=readiness, consumer=consumer
    )


def look(parent, seconds):
    """Look again after so many seconds; returns whether it has ended the worker."""
    parent.clock.now += seconds
    parent.idle.check()
    return parent.signals == [signal.SIGTERM]


def stays(sessions):
    with sessions() as session:
        return session.get_one(Worker, NAME).drained_at is None


def test_it_ends_after_the_limit_and_sends_the_signal_once(parent, sessions):
    assert not look(parent, 9)
    assert stays(sessions)

    with capture_logs() as logs:
        assert look(parent, 1)

    assert logs == [{"event": "nothing to run, ending", "log_level": "info", "idle_seconds": 10.0}]
    assert not stays(sessions)
    assert look(parent, 20)


def test_a_message_between_two_looks_starts_the_time_again(parent):
    look(parent, 9)
    Consumer.received_messages += 1
    look(parent, 1)

    assert not look(parent, 9)
    assert look(parent, 1)


@pytest.mark.parametrize("what", ["task", "no child", "not ready", "loading", "no broker"])
def test_a_worker_that_is_busy_is_not_idle(parent, monkeypatch, what):
    now = parent.readiness.now
    look(parent, 9)
    if what == "task":
        monkeypatch.setattr(module.state, "reserved_requests", [1])
    elif what == "no child":
        parent.readiness.now = ReadinessSnapshot(now.weights, now.ready, 0, child_alive=False)
    elif what == "not ready":
        parent.readiness.now = ReadinessSnapshot(now.weights, frozenset(), 0, child_alive=True)
    elif what == "loading":
        monkeypatch.setattr(ReadinessSnapshot, "changing", True)
    else:
        parent.consumer.connection = None

    assert not look(parent, 100)
    parent.readiness.now, parent.consumer.connection = now, object()
    monkeypatch.setattr(module.state, "reserved_requests", [])
    monkeypatch.setattr(ReadinessSnapshot, "changing", False)
    assert not look(parent, 9)
    assert look(parent, 1)


def test_a_job_that_waits_without_a_message_keeps_it_until_another_worker_has_it(parent, sessions):
    build.submitted(sessions, model="script", queue="script")

    assert not look(parent, 10)
    assert stays(sessions)
    assert build.claim_next(sessions, model="script", queue="script", worker="other") is not None
    assert look(parent, 1)


def test_a_message_that_came_before_it_left_keeps_it(parent, sessions, monkeypatch):
    leave = departure.leave

    def leave_late(*arguments, **options):
        Consumer.received_messages += 1
        return leave(*arguments, **options)

    monkeypatch.setattr(module.departure, "leave", leave_late)

    assert not look(parent, 10)
    assert stays(sessions)


def test_a_drained_worker_ends_too(parent, sessions):
    with sessions.begin() as session:
        worker_registry.set_drained(session, NAME, drained=True)
    parent.idle.subscriber.set_drained(drained=True)

    assert not look(parent, 5)
    assert look(parent, 5)
