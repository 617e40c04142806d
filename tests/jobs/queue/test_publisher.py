"""Publishing in a background thread: no request waits for it, and no job is lost with it."""

from __future__ import annotations

import threading

import pytest

from jobs.queue.broker import Broker, BrokerUnavailable, JobMessage, message_for
from jobs.queue.publisher import Publisher
from tests.jobs import build
from tests.jobs.queue.test_broker import messages
from tests.waiting import until


@pytest.fixture
def publish(request):
    """Start a publisher; it is stopped at the end."""

    def start(broker, **options):
        publisher = Publisher(broker, **options)
        publisher.start()
        request.addfinalizer(publisher.stop)
        return publisher

    return start


class StuckBroker:
    """Blocks each publication until it is released."""

    def __init__(self):
        self.go = threading.Event()
        self.published = []

    def wake(self, messages, _):
        assert self.go.wait(30)
        self.published += messages


class FailingBroker:
    """Raises an unexpected error once, then works."""

    def __init__(self):
        self.published = []

    def wake(self, messages, _):
        self.published.append(messages)
        if len(self.published) == 1:
            raise ValueError("unheard of")


def submit(sessions):
    return message_for(build.job(sessions, build.submitted(sessions)))


def test_a_message_reaches_the_broker(sessions, broker_url, redis, publish):
    broker = Broker(broker_url)
    submission = submit(sessions)

    publish(broker).publish(submission)

    until(lambda: messages(redis, submission.queue), what="the message")
    broker.close()


def test_a_stop_publishes_pending_messages(sessions, broker_url, redis):
    broker = Broker(broker_url)
    publisher = Publisher(broker)
    publisher.start()

    for _ in range(20):
        publisher.publish(JobMessage("job_x", "m", "many"))
    publisher.stop()

    assert len(messages(redis, "many")) == 20
    broker.close()


def test_a_full_publisher_leaves_the_message_to_maintenance(publish):
    broker = StuckBroker()
    publisher = publish(broker, max_pending=1)

    for _ in range(5):
        publisher.publish(JobMessage("job_x", "m", "q"))
    broker.go.set()

    until(lambda: broker.published, what="a publication")
    assert len(broker.published) <= 2


def test_an_unexpected_error_does_not_end_the_publisher(publish):
    broker = FailingBroker()
    publisher = publish(broker)

    publisher.publish(JobMessage("job_x", "m", "q"))
    until(lambda: len(broker.published) == 1, what="the first publication")
    publisher.publish(JobMessage("job_y", "m", "q"))

    until(lambda: len(broker.published) == 2, what="the second publication")


def test_a_broker_outage_does_not_end_the_publisher(publish):
    class Unavailable:
        published = 0

        def wake(self, messages, _):
            self.published += len(messages)
            raise BrokerUnavailable

    broker = Unavailable()
    publisher = publish(broker)

    publisher.publish(JobMessage("job_x", "m", "q"))
    publisher.publish(JobMessage("job_y", "m", "q"))

    until(lambda: broker.published == 2, what="the second try")


def test_messages_that_wait_are_published_together(publish):
    broker = StuckBroker()
    publisher = publish(broker)

    for number in range(50):
        publisher.publish(JobMessage(f"job_{number}", "m", "q"))
    broker.go.set()

    until(lambda: len(broker.published) == 50, what="all messages")


def test_a_publisher_that_was_never_started_can_be_stopped():
    Publisher(FailingBroker()).stop()
