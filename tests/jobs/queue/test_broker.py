"""The broker, on a real broker: a message holds the id of a job and nothing else."""

from __future__ import annotations

import base64
import json
import time

import pytest
from kombu import Connection, Consumer, Queue

from jobs.queue.broker import Broker, BrokerUnavailable, JobMessage, celery_settings, message_for
from jobs.states import Priority
from tests.jobs import build

NOBODY = "redis://127.0.0.1:1/0"
CALL = JobMessage("job_" + "a" * 32, "wav2lip", "wav2lip-gpu", 3)


@pytest.fixture
def broker(broker_url, redis):
    broker = Broker(broker_url)
    yield broker
    broker.close()


@pytest.fixture
def silent():
    """A broker without a broker."""
    broker = Broker(NOBODY)
    yield broker
    broker.close()


def messages(redis, queue):
    """What waits in a queue, the most urgent first; kombu keeps a list for each priority."""
    lists = [queue, *(f"{queue}\x06\x16{priority}" for priority in (1, 2))]
    return [json.loads(message) for key in lists for message in redis.lrange(key, 0, -1)[::-1]]


def taken(broker_url, queue, count):
    """The job ids of calls in the order in which a worker's consumer takes them."""
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


def test_an_urgent_call_is_taken_before_those_that_waited(broker_url, broker, redis):
    for number, priority in enumerate([2, 2, 1, 2, 1, 0]):
        broker.publish(JobMessage(f"job_{number}", "m", "q", 1, Priority(priority)))

    assert taken(broker_url, "q", 6) == ["job_5", "job_2", "job_4", "job_0", "job_1", "job_3"]


def test_a_call_is_as_urgent_as_its_job(sessions):
    job_id = build.submitted(sessions, priority=Priority.BACKGROUND)

    job = build.job(sessions, job_id)

    assert message_for(job).priority == Priority.BACKGROUND
    assert message_for(job, Priority.NORMAL).priority == Priority.NORMAL


def test_a_full_broker_is_unavailable_until_it_has_room(broker, redis, full):
    for ring in (lambda: broker.publish(CALL), broker.mark):
        with pytest.raises(BrokerUnavailable):
            ring()
    full(False)

    broker.publish(CALL)

    assert len(messages(redis, CALL.queue)) == 1


def test_a_message_holds_the_id_of_a_job_and_nothing_else(broker, redis):
    broker.publish(CALL)

    [message] = messages(redis, "wav2lip-gpu")
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == ([CALL.job_id], {})
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "wav2lip"
    assert message["headers"]["id"] == f"{CALL.job_id}:3"


def test_the_first_call_of_a_job_has_number_one(sessions):
    job_id = build.submitted(sessions)

    call = message_for(build.job(sessions, job_id))

    assert call == JobMessage(job_id, "preview-lipsync", "preview-lipsync", 1)
    assert call.task_id == f"{job_id}:1"


def test_a_broker_that_is_away_is_told_within_seconds(silent):
    start = time.monotonic()

    for ring in (lambda: silent.publish(CALL), silent.check, silent.was_flushed, silent.mark):
        with pytest.raises(BrokerUnavailable):
            ring()

    assert time.monotonic() - start < 10


def test_a_doorbell_rings_again_when_the_broker_is_back(broker, redis):
    broker.publish(CALL)
    redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    broker.publish(CALL)

    assert len(messages(redis, CALL.queue)) == 2


def test_a_full_broker_is_noticed(broker, full):
    with pytest.raises(BrokerUnavailable):
        broker.check()

    full(False)

    broker.check()


def test_an_emptied_broker_is_noticed_once(broker, redis):
    assert broker.was_flushed()
    broker.mark()
    assert not broker.was_flushed()

    redis.flushall()

    assert broker.was_flushed()
