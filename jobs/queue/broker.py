"""Messages that wake workers, in Redis. Celery, which receives them, is used only in workers/.

A message carries a job id, which monitors show. A lost message costs a second, never a job: see
`jobs.queue.wake_ups`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jobs.queue.message_format import task_message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from redis import Redis

    from jobs.tables import Job

PROBE = "kinomill:probe"
"""A key written to check that the broker accepts writes; expires after a minute."""
VISIBILITY_TIMEOUT = timedelta(hours=12)
"""An unacknowledged message is delivered again after this; see `workers.settings`."""
_PUSH = """
local first = 1
for number, queue in ipairs(KEYS) do
    local room = ARGV[first] - redis.call('LLEN', queue)
    local last = first + 1 + ARGV[first + 1]
    for message = first + 2, math.min(last, first + 1 + room) do
        redis.call('LPUSH', queue, ARGV[message])
    end
    first = last + 1
end
"""
"""For each queue: how many messages it may hold, how many follow, and these messages."""


class BrokerUnavailable(Exception):
    """The broker did not accept a message. The job is in PostgreSQL: maintenance sends another."""


@dataclass(frozen=True)
class JobMessage:
    """A message that wakes a worker of a queue, named after a job that waits there."""

    job_id: str
    model: str
    queue: str

    def text(self) -> str:
        """The message as Celery reads it, with a task id that no other message has."""
        task_id = f"{self.job_id}:{uuid4().hex[:8]}"
        return task_message(self.model, self.queue, self.job_id, task_id)


def message_for(job: Job) -> JobMessage:
    """The message for a job."""
    return JobMessage(job.id, job.model, job.queue)


def celery_settings() -> dict[str, Any]:
    """Celery settings that workers and monitors share."""
    return {
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "result_backend": None,
        "broker_connection_retry_on_startup": True,
        "broker_channel_error_retry": True,
        "broker_transport_options": {
            "visibility_timeout": int(VISIBILITY_TIMEOUT.total_seconds()),
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "priority_steps": [0],
        },
        "worker_send_task_events": True,
    }


class Broker:
    """Sends messages, and counts those that wait."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url

    def wake(self, messages: Sequence[JobMessage], max_length: Mapping[str, int] | int) -> None:
        """Send messages, in one round trip, to each queue that holds fewer than `max_length`.

        The rest is dropped: that many messages wake every worker. Raises `BrokerUnavailable`.
        """
        by_queue: dict[str, list[str]] = {}
        for message in messages:
            by_queue.setdefault(message.queue, []).append(message.text())
        values: list[str | int] = []
        for queue, texts in by_queue.items():
            limit = max_length if isinstance(max_length, int) else max_length[queue]
            values += [limit, len(texts), *texts]
        if by_queue:
            with _redis_errors():
                self._redis.eval(_PUSH, len(by_queue), *by_queue, *values)

    def lengths(self, queues: Sequence[str]) -> dict[str, int]:
        """How many messages wait in each of these queues. Raises `BrokerUnavailable`."""
        with _redis_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for queue in queues:
                pipeline.llen(queue)
            return dict(zip(queues, pipeline.execute(), strict=True))

    def check(self) -> None:
        """Check that the broker accepts writes; a full one does not. Raises `BrokerUnavailable`."""
        with _redis_errors():
            self._redis.set(PROBE, "", ex=60)

    def close(self) -> None:
        """Close all connections."""
        if "_redis" in vars(self):
            self._redis.close()

    @cached_property
    def _redis(self) -> Redis:
        from redis import Redis

        return Redis.from_url(self._url, socket_timeout=5, socket_connect_timeout=5)


@contextmanager
def _redis_errors() -> Iterator[None]:
    from redis import RedisError

    try:
        yield
    except RedisError as error:
        raise BrokerUnavailable from error
