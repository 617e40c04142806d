"""Forged and broken messages in the broker: dropped and counted, and the worker works on."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode

import pytest
from redis import Redis
from sqlalchemy import select

from jobs.queue.message_format import is_wake_up, task_message
from jobs.states import State
from jobs.tables import Worker
from tests.waiting import until
from tests.workers.process import ended
from workers.parent.transport import is_readable

HEADERS = {
    "timelimit": [1e9, "x"],
    "eta": "tomorrow",
    "expires": "2000-13-99",
    "retries": "many",
    "id": 7,
    "task": ["script"],
    "root_id": {"a": 1},
    "group": 5,
    "parent_id": [],
    "stamps": "x",
    "shadow": {"x": 1},
    "ignore_result": "no",
    "replaced_task_nesting": "deep",
}
BODIES = [
    "not json",
    "[]",
    "[[1], {}, {}]",
    "[" * 50_000 + "]" * 50_000,
    '[["a", "b"], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]',
    '[["a"], {"x": 1}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]',
    '[["a"], {}, {"callbacks": [1], "errbacks": null, "chain": null, "chord": null}]',
]


def forged(number, *, body=None, content_type="application/json", **headers):
    """A message in Redis with other headers, or with another body."""
    message = json.loads(task_message("script", "script", "job_x", f"job_x:{number}"))
    message["headers"] |= headers
    message["content-type"] = content_type
    if body is not None:
        message["body"] = b64encode(body.encode()).decode()
    return json.dumps(message)


def poisons():
    messages = [forged(n, **{name: value}) for n, (name, value) in enumerate(HEADERS.items())]
    messages += [forged(100 + n, body=body) for n, body in enumerate(BODIES)]
    return [*messages, forged(200, content_type="application/x-python-serialize")]


def raw_poisons():
    """What Celery never sees, because kombu could not read it."""
    message = json.loads(task_message("script", "script", "job_x", "job_x:300"))
    properties = message["properties"]
    bomb = b64encode(zlib.compress(bytes(50_000_000))).decode()
    packed = {"headers": message["headers"] | {"compression": "gzip"}, "body": bomb}
    changes = [
        {"properties": None},
        {"properties": {}},
        {"headers": []},
        {"body": 5},
        {"body": "\u00e4"},
        {"body": "x" * 2_000_000},
        {"content-encoding": "rot13"},
        {"properties": properties | {"delivery_tag": {}}},
        {"properties": properties | {"delivery_info": []}},
        {"properties": properties | {"body_encoding": "zip"}},
        {"properties": properties | {"body_encoding": ["base64"]}},
        {"content-encoding": ["utf-8"]},
        {"content-type": {}},
        {"properties": properties | {"priority": "high"}},
        packed,
    ]
    strange = ["", "no JSON", "5", "null", "[]", "{}", "[" * 100_000, '{"a":' * 100_000]
    strange += ['{"__type__": "bytes", "__value__": 5}', '{"__type__": "x", "__value__": 5}']
    return [*strange, *(json.dumps(message | change) for change in changes)]


@pytest.mark.parametrize("text", [each for each in raw_poisons() if each[:2] == '{"'][-15:])
def test_kombu_is_given_no_message_that_it_cannot_read(text):
    assert not is_readable(json.loads(text))


def test_kombu_is_given_our_own():
    assert is_readable(json.loads(task_message("script", "script", "job_x", "job_x:1")))


def parts(text):
    message = json.loads(text)
    return message["headers"], message["content-type"], b64decode(message["body"])


def test_our_own_message_is_a_wake_up():
    assert is_wake_up(*parts(task_message("script", "script", "job_x", "job_x:1")))


@pytest.mark.parametrize("text", poisons())
def test_any_other_is_not(text):
    assert not is_wake_up(*parts(text))


@pytest.mark.acceptance
def test_a_worker_drops_and_counts_poison_and_runs_the_next_job(start_worker, submit_to, sessions):
    worker = start_worker("poisoned", broker=9)
    ended(sessions, submit_to(worker))
    with Redis.from_url(worker.broker_url) as redis:
        for text in (*poisons(), *raw_poisons()):
            redis.lpush("script", text)

    job_id = submit_to(worker)

    assert ended(sessions, job_id).state == State.SUCCEEDED
    assert worker.running
    log = worker.log.read_text()
    assert "Traceback" not in log
    until(lambda: dropped(sessions, worker) == len(poisons() + raw_poisons()), what="the count")
    with Redis.from_url(worker.broker_url) as redis:
        assert redis.zcard("unacked_index") == 0


def dropped(sessions, worker):
    with sessions() as session:
        return session.scalar(select(Worker.dropped_messages).where(Worker.name == worker.name))
