"""Publishing to a real broker: a message holds the id of a job and nothing else."""

from __future__ import annotations

import base64
import json

import pytest
from celery import Celery
from kombu import Connection, Consumer, Queue

from jobs.queue.broker import Broker, BrokerUnavailable, JobMessage, celery_settings, message_for
from tests.jobs import build

UNREACHABLE_URL = "redis://127.0.0.1:1/0"
MESSAGE = JobMessage("job_" + "a" * 32, "wav2lip", "wav2lip-gpu")
MANY = 100


@pytest.fixture
def broker(broker_url, redis):
    broker = Broker(broker_url)
    yield broker
    broker.close()


@pytest.fixture
def unreachable():
    """A client of a broker that does not exist."""
    broker = Broker(UNREACHABLE_URL)
    yield broker
    broker.close()


def messages(redis, queue):
    """Messages in a queue, in the order in which they are received."""
    return [json.loads(message) for message in redis.lrange(queue, 0, -1)[::-1]]


def taken(broker_url, queue, count):
    """Job ids of messages in the order in which a worker's consumer receives them."""
    jobs = []

    def take(body, message):
        jobs.append(body[0][0])
        message.ack()

    options = celery_settings()["broker_transport_options"]
    with (
        Connection(broker_url, transport_options=options) as connection,
        Consumer(connection, [Queue(queue)], on_message=None, callbacks=[take]) as consumer,
    ):
        consumer.qos(prefetch_count=1)
        while len(jobs) < count:
            connection.drain_events(timeout=10)
    return jobs


def test_a_full_broker_is_unavailable_until_it_has_room(broker, redis, full):
    for write in (lambda: broker.wake([MESSAGE], MANY),):
        with pytest.raises(BrokerUnavailable):
            write()
    full(False)

    broker.wake([MESSAGE], MANY)

    assert len(messages(redis, MESSAGE.queue)) == 1


def test_a_message_holds_the_id_of_a_job_and_nothing_else(broker, redis):
    broker.wake([MESSAGE], MANY)

    [message] = messages(redis, "wav2lip-gpu")
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == ([MESSAGE.job_id], {})
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "wav2lip"
    assert message["headers"]["id"].startswith(f"{MESSAGE.job_id}:")


def test_the_message_of_a_job_names_its_model_and_queue(sessions):
    job_id = build.submitted(sessions)

    message = message_for(build.job(sessions, job_id))

    assert message == JobMessage(job_id, "preview-lipsync", "preview-lipsync")


def test_an_unreachable_broker_is_reported_by_each_call(unreachable):
    for write in (
        lambda: unreachable.wake([MESSAGE], MANY),
        lambda: unreachable.lengths([MESSAGE.queue]),
        unreachable.check,
    ):
        with pytest.raises(BrokerUnavailable):
            write()


def test_publishing_works_again_after_a_lost_connection(broker, redis):
    broker.wake([MESSAGE], MANY)
    redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    broker.wake([MESSAGE], MANY)

    assert len(messages(redis, MESSAGE.queue)) == 2


def test_a_full_broker_fails_the_check(broker, full):
    with pytest.raises(BrokerUnavailable):
        broker.check()

    full(False)

    broker.check()


def test_a_message_is_as_celery_sends_it(broker, broker_url, redis):
    broker.wake([MESSAGE], MANY)
    with Celery("kinomill", broker=broker_url, set_as_current=False) as app:
        app.conf.update(celery_settings())
        app.send_task(MESSAGE.model, args=(MESSAGE.job_id,), queue=MESSAGE.queue)

    wake_up, sent = messages(redis, MESSAGE.queue)

    assert json.loads(base64.b64decode(wake_up["body"])) == json.loads(
        base64.b64decode(sent["body"])
    )
    assert _without_ids(wake_up) == _without_ids(sent)


def _without_ids(message):
    headers = {"id", "root_id", "origin"}
    properties = {"correlation_id", "reply_to", "delivery_tag"}
    assert message["headers"].keys() >= headers
    assert message["properties"].keys() >= properties
    return {
        **message,
        "headers": {key: value for key, value in message["headers"].items() if key not in headers},
        "properties": {
            key: value for key, value in message["properties"].items() if key not in properties
        },
    }


def test_wake_ups_fill_each_queue_up_to_its_limit(broker, redis):
    jobs = [JobMessage(f"job_{number}", "m", queue) for queue in "ab" for number in range(5)]

    broker.wake(jobs, {"a": 3, "b": 10})
    broker.wake(jobs, {"a": 3, "b": 7})

    assert (redis.llen("a"), redis.llen("b")) == (3, 7)
    assert len({message["headers"]["id"] for message in messages(redis, "b")}) == 7


def test_a_worker_receives_the_oldest_wake_up_first(broker_url, broker, redis):
    broker.wake([JobMessage(f"job_{number}", "m", "q") for number in range(3)], 10)

    assert taken(broker_url, "q", 3) == ["job_0", "job_1", "job_2"]
