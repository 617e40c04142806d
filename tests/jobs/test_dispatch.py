"""The doorbell, on a real broker: a message holds the id of a job and nothing else."""

from __future__ import annotations

import base64
import json
import time

import pytest

from jobs.dispatch import BrokerUnavailable, Call, Doorbell, call_for
from tests.jobs import build

NOBODY = "redis://127.0.0.1:1/0"
CALL = Call("job_" + "a" * 32, "wav2lip", "wav2lip-gpu", 3)


@pytest.fixture
def doorbell(broker_url, redis):
    doorbell = Doorbell(broker_url)
    yield doorbell
    doorbell.close()


@pytest.fixture
def silent():
    """A doorbell without a broker."""
    doorbell = Doorbell(NOBODY)
    yield doorbell
    doorbell.close()


def messages(redis, queue):
    return [json.loads(message) for message in redis.lrange(queue, 0, -1)]


def test_a_message_holds_the_id_of_a_job_and_nothing_else(doorbell, redis):
    doorbell.ring(CALL)

    [message] = messages(redis, "wav2lip-gpu")
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == ([CALL.job_id], {})
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "wav2lip"
    assert message["headers"]["id"] == f"{CALL.job_id}:3"


def test_the_first_call_of_a_job_has_number_one(sessions):
    job_id = build.submitted(sessions)

    call = call_for(build.job(sessions, job_id))

    assert call == Call(job_id, "preview-lipsync", "preview-lipsync", 1)
    assert call.task_id == f"{job_id}:1"


def test_a_broker_that_is_away_is_told_within_seconds(silent):
    start = time.monotonic()

    for ring in (lambda: silent.ring(CALL), silent.forgot, silent.remember):
        with pytest.raises(BrokerUnavailable):
            ring()

    assert time.monotonic() - start < 10


def test_a_doorbell_rings_again_when_the_broker_is_back(doorbell, redis):
    doorbell.ring(CALL)
    redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    doorbell.ring(CALL)

    assert len(messages(redis, CALL.queue)) == 2


def test_an_emptied_broker_is_noticed_once(doorbell, redis):
    assert doorbell.forgot()
    doorbell.remember()
    assert not doorbell.forgot()

    redis.flushall()

    assert doorbell.forgot()
