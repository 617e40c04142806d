"""Publishing in a background thread: no request waits for it, and no job is lost with it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from jobs.queue.broker import Broker, BrokerUnavailable, JobMessage, message_for
from jobs.queue.publisher import Publisher
from jobs.queue.republish import REPUBLISH_DELAY, republish_due
from tests.jobs import build
from tests.jobs.queue.test_broker import UNREACHABLE_URL, messages
from tests.waiting import until


@pytest.fixture
def publish(request):
    """Start a publisher; it is stopped at the end."""

    def start(broker, sessions, **options):
        publisher = Publisher(broker, sessions, **options)
        publisher.start()
        request.addfinalizer(publisher.stop)
        return publisher

    return start


class StuckBroker:
    """Blocks each publication until it is released."""

    def __init__(self):
        self.go = threading.Event()
        self.published = []

    def preload(self):
        pass

    def publish(self, message):
        assert self.go.wait(30)
        self.published.append(message)


class FailingBroker:
    """Raises an unexpected error once, then works."""

    def __init__(self):
        self.published = []

    def preload(self):
        pass

    def publish(self, message):
        self.published.append(message)
        if len(self.published) == 1:
            raise ValueError("unheard of")


def submit(sessions):
    return message_for(build.job(sessions, build.submitted(sessions)))


def test_a_message_reaches_the_broker(sessions, broker_url, redis, publish):
    broker = Broker(broker_url)
    submission = submit(sessions)

    publish(broker, sessions).publish(submission)

    until(lambda: messages(redis, submission.queue), what="the message")
    broker.close()


def test_a_stop_publishes_pending_messages(sessions, broker_url, redis):
    broker = Broker(broker_url)
    publisher = Publisher(broker, sessions)
    publisher.start()

    for _ in range(20):
        publisher.publish(JobMessage("job_x", "m", "many", 1))
    publisher.stop()

    assert len(messages(redis, "many")) == 20
    broker.close()


def test_during_an_outage_the_next_publication_is_brought_forward(sessions, publish):
    broker = Broker(UNREACHABLE_URL)
    submission = submit(sessions)
    created = build.job(sessions, submission.job_id).created_at

    publish(broker, sessions).publish(submission)

    until(
        lambda: due_after(sessions, submission, created) < timedelta(seconds=25),
        what="the new time",
    )
    assert due_after(sessions, submission, created) >= REPUBLISH_DELAY
    broker.close()


def test_with_a_full_broker_the_job_is_published_when_there_is_room(
    sessions, broker_url, redis, publish, full
):
    broker = Broker(broker_url)
    submission = submit(sessions)
    created = build.job(sessions, submission.job_id).created_at
    publish(broker, sessions).publish(submission)
    until(
        lambda: due_after(sessions, submission, created) < timedelta(seconds=25),
        what="the new time",
    )

    full(False)
    build.make_due(sessions, submission.job_id)
    republish_due(sessions, broker, lambda: True)

    assert len(messages(redis, submission.queue)) == 1
    broker.close()


def due_after(sessions, submission, created):
    return build.job(sessions, submission.job_id).next_dispatch_at - created


def test_a_full_publisher_leaves_the_message_to_maintenance(sessions, publish):
    broker = StuckBroker()
    publisher = publish(broker, sessions, max_pending=1)

    for number in range(5):
        publisher.publish(JobMessage("job_x", "m", "q", number))
    broker.go.set()

    until(lambda: broker.published, what="a publication")
    assert len(broker.published) <= 2


def test_an_unexpected_error_does_not_end_the_publisher(sessions, publish):
    broker = FailingBroker()
    publisher = publish(broker, sessions)

    publisher.publish(JobMessage("job_x", "m", "q", 1))
    publisher.publish(JobMessage("job_y", "m", "q", 1))

    until(lambda: len(broker.published) == 2, what="the second publication")


def test_an_outage_of_the_database_too_does_not_end_the_publisher(publish):
    class Unavailable:
        published = 0

        def preload(self):
            pass

        def publish(self, _):
            self.published += 1
            raise BrokerUnavailable

    class NoSessions:
        def begin(self):
            raise RuntimeError("no database")

    broker = Unavailable()
    publisher = publish(broker, NoSessions())

    publisher.publish(JobMessage("job_x", "m", "q", 1))
    publisher.publish(JobMessage("job_y", "m", "q", 1))

    until(lambda: broker.published == 2, what="the second try")


def test_a_publisher_that_was_never_started_can_be_stopped(sessions):
    Publisher(FailingBroker(), sessions).stop()
