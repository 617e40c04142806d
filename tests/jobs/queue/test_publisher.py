"""Ringing off the request's path: nothing waits for it, nothing is lost with it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from jobs.queue.broker import Broker, BrokerUnavailable, JobMessage, message_for
from jobs.queue.publisher import Publisher
from jobs.queue.republish import REPUBLISH_DELAY, republish_due
from tests.jobs import build
from tests.jobs.queue.test_broker import NOBODY, messages
from tests.waiting import until


@pytest.fixture
def publish(request):
    """Make a started publisher of a broker and sessions, stopped at the end."""

    def start(broker, sessions, **options):
        publisher = Publisher(broker, sessions, **options)
        publisher.start()
        request.addfinalizer(publisher.stop)
        return publisher

    return start


class StuckDoorbell:
    """Holds each ring until it is let go."""

    def __init__(self):
        self.go = threading.Event()
        self.rung = []

    def preload(self):
        pass

    def publish(self, call):
        assert self.go.wait(30)
        self.rung.append(call)


class BadDoorbell:
    """Fails in a way that nobody thought of, then works."""

    def __init__(self):
        self.rung = []

    def preload(self):
        pass

    def publish(self, call):
        self.rung.append(call)
        if len(self.rung) == 1:
            raise ValueError("unheard of")


def call(sessions):
    return message_for(build.job(sessions, build.submitted(sessions)))


def test_a_published_call_is_rung(sessions, broker_url, redis, publish):
    broker = Broker(broker_url)
    wish = call(sessions)

    publish(broker, sessions).publish(wish)

    until(lambda: messages(redis, wish.queue), what="the message")
    broker.close()


def test_stopping_rings_what_still_waits(sessions, broker_url, redis):
    broker = Broker(broker_url)
    publisher = Publisher(broker, sessions)
    publisher.start()

    for _ in range(20):
        publisher.publish(JobMessage("job_x", "m", "many", 1))
    publisher.stop()

    assert len(messages(redis, "many")) == 20
    broker.close()


def test_with_the_broker_away_the_next_ring_is_brought_forward(sessions, publish):
    broker = Broker(NOBODY)
    wish = call(sessions)
    created = build.job(sessions, wish.job_id).created_at

    publish(broker, sessions).publish(wish)

    until(lambda: due_after(sessions, wish, created) < timedelta(seconds=25), what="the new time")
    assert due_after(sessions, wish, created) >= REPUBLISH_DELAY
    broker.close()


def test_with_the_broker_full_the_job_is_rung_as_soon_as_there_is_room(
    sessions, broker_url, redis, publish, full
):
    broker = Broker(broker_url)
    wish = call(sessions)
    created = build.job(sessions, wish.job_id).created_at
    publish(broker, sessions).publish(wish)
    until(lambda: due_after(sessions, wish, created) < timedelta(seconds=25), what="the new time")

    full(False)
    build.make_due(sessions, wish.job_id)
    republish_due(sessions, broker, lambda: True)

    assert len(messages(redis, wish.queue)) == 1
    broker.close()


def due_after(sessions, wish, created):
    return build.job(sessions, wish.job_id).next_dispatch_at - created


def test_a_full_publisher_leaves_the_call_to_the_reconciler(sessions, publish):
    broker = StuckDoorbell()
    publisher = publish(broker, sessions, max_pending=1)

    for number in range(5):
        publisher.publish(JobMessage("job_x", "m", "q", number))
    broker.go.set()

    until(lambda: broker.rung, what="a ring")
    assert len(broker.rung) <= 2


def test_a_surprise_does_not_end_the_publisher(sessions, publish):
    broker = BadDoorbell()
    publisher = publish(broker, sessions)

    publisher.publish(JobMessage("job_x", "m", "q", 1))
    publisher.publish(JobMessage("job_y", "m", "q", 1))

    until(lambda: len(broker.rung) == 2, what="the second ring")


def test_a_database_that_is_away_too_does_not_end_the_publisher(publish):
    class Away:
        rung = 0

        def preload(self):
            pass

        def publish(self, _):
            self.rung += 1
            raise BrokerUnavailable

    class NoSessions:
        def begin(self):
            raise RuntimeError("no database")

    broker = Away()
    publisher = publish(broker, NoSessions())

    publisher.publish(JobMessage("job_x", "m", "q", 1))
    publisher.publish(JobMessage("job_y", "m", "q", 1))

    until(lambda: broker.rung == 2, what="the second try")


def test_a_publisher_that_never_started_stops(sessions):
    Publisher(BadDoorbell(), sessions).stop()
