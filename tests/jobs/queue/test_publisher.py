"""Ringing off the request's path: nothing waits for it, nothing is lost with it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from jobs.queue.broker import BrokerUnavailable, Call, Doorbell, call_for
from jobs.queue.publisher import Publisher
from jobs.queue.republish import RING_SOON, reconcile
from tests.jobs import build
from tests.jobs.queue.test_broker import NOBODY, messages
from tests.waiting import until


@pytest.fixture
def publish(request):
    """Make a started publisher of a doorbell and sessions, stopped at the end."""

    def start(doorbell, sessions, **options):
        publisher = Publisher(doorbell, sessions, **options)
        publisher.start()
        request.addfinalizer(publisher.stop)
        return publisher

    return start


class StuckDoorbell:
    """Holds each ring until it is let go."""

    def __init__(self):
        self.go = threading.Event()
        self.rung = []

    def prepare(self):
        pass

    def ring(self, call):
        assert self.go.wait(30)
        self.rung.append(call)


class BadDoorbell:
    """Fails in a way that nobody thought of, then works."""

    def __init__(self):
        self.rung = []

    def prepare(self):
        pass

    def ring(self, call):
        self.rung.append(call)
        if len(self.rung) == 1:
            raise ValueError("unheard of")


def call(sessions):
    return call_for(build.job(sessions, build.submitted(sessions)))


def test_a_published_call_is_rung(sessions, broker_url, redis, publish):
    doorbell = Doorbell(broker_url)
    wish = call(sessions)

    publish(doorbell, sessions).publish(wish)

    until(lambda: messages(redis, wish.queue), what="the message")
    doorbell.close()


def test_stopping_rings_what_still_waits(sessions, broker_url, redis):
    doorbell = Doorbell(broker_url)
    publisher = Publisher(doorbell, sessions)
    publisher.start()

    for _ in range(20):
        publisher.publish(Call("job_x", "m", "many", 1))
    publisher.stop()

    assert len(messages(redis, "many")) == 20
    doorbell.close()


def test_with_the_broker_away_the_next_ring_is_brought_forward(sessions, publish):
    doorbell = Doorbell(NOBODY)
    wish = call(sessions)
    created = build.job(sessions, wish.job_id).created_at

    publish(doorbell, sessions).publish(wish)

    until(lambda: due_after(sessions, wish, created) < timedelta(seconds=25), what="the new time")
    assert due_after(sessions, wish, created) >= RING_SOON
    doorbell.close()


def test_with_the_broker_full_the_job_is_rung_as_soon_as_there_is_room(
    sessions, broker_url, redis, publish, full
):
    doorbell = Doorbell(broker_url)
    wish = call(sessions)
    created = build.job(sessions, wish.job_id).created_at
    publish(doorbell, sessions).publish(wish)
    until(lambda: due_after(sessions, wish, created) < timedelta(seconds=25), what="the new time")

    full(False)
    build.make_due(sessions, wish.job_id)
    reconcile(sessions, doorbell, lambda: True)

    assert len(messages(redis, wish.queue)) == 1
    doorbell.close()


def due_after(sessions, wish, created):
    return build.job(sessions, wish.job_id).next_dispatch_at - created


def test_a_full_publisher_leaves_the_call_to_the_reconciler(sessions, publish):
    doorbell = StuckDoorbell()
    publisher = publish(doorbell, sessions, room=1)

    for number in range(5):
        publisher.publish(Call("job_x", "m", "q", number))
    doorbell.go.set()

    until(lambda: doorbell.rung, what="a ring")
    assert len(doorbell.rung) <= 2


def test_a_surprise_does_not_end_the_publisher(sessions, publish):
    doorbell = BadDoorbell()
    publisher = publish(doorbell, sessions)

    publisher.publish(Call("job_x", "m", "q", 1))
    publisher.publish(Call("job_y", "m", "q", 1))

    until(lambda: len(doorbell.rung) == 2, what="the second ring")


def test_a_database_that_is_away_too_does_not_end_the_publisher(publish):
    class Away:
        rung = 0

        def prepare(self):
            pass

        def ring(self, _):
            self.rung += 1
            raise BrokerUnavailable

    class NoSessions:
        def begin(self):
            raise RuntimeError("no database")

    doorbell = Away()
    publisher = publish(doorbell, NoSessions())

    publisher.publish(Call("job_x", "m", "q", 1))
    publisher.publish(Call("job_y", "m", "q", 1))

    until(lambda: doorbell.rung == 2, what="the second try")


def test_a_publisher_that_never_started_stops(sessions):
    Publisher(BadDoorbell(), sessions).stop()
