"""Publish messages to the broker. The only module outside of workers/ that uses Celery.

A message carries a job id and nothing else. A lost message costs seconds, never a job: maintenance
publishes again for each job that is still queued at its `next_dispatch_at`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jobs.queue.message_format import MessageTemplate
from jobs.states import Priority

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from celery import Celery
    from redis import Redis

    from jobs.tables import Job

CANARY = "kinomill:canary"
"""A key that is missing after the broker was flushed."""
PROBE = "kinomill:probe"
"""A key written to check that the broker accepts writes; expires after a minute."""
VISIBILITY_TIMEOUT = timedelta(hours=12)
"""An unacknowledged message is delivered again after this; see `workers.settings`."""

_PUSH = """
local next_message = 1
for number, list in ipairs(KEYS) do
    local room = ARGV[next_message] - redis.call('LLEN', list)
    local last = next_message + 1 + ARGV[next_message + 1]
    for message = next_message + 2, math.min(last, next_message + 1 + room) do
        redis.call('LPUSH', list, ARGV[message])
    end
    next_message = last + 1
end
"""
"""For each list: the most messages that it may hold, how many follow, and these messages."""


class BrokerUnavailable(Exception):
    """The broker did not accept a message. The job is in PostgreSQL: publish it again later."""


@dataclass(frozen=True)
class JobMessage:
    """A message that asks a worker to run one job."""

    job_id: str
    model: str
    queue: str
    number: int = 1
    priority: Priority = Priority.NORMAL

    @property
    def task_id(self) -> str:
        """Never the bare job id: Celery refuses a revoked id for hours."""
        return f"{self.job_id}:{self.number}"


def message_for(job: Job, priority: Priority | None = None) -> JobMessage:
    """The message for a job, by default with the priority of its submission."""
    priority = Priority(job.priority) if priority is None else priority
    return JobMessage(job.id, job.model, job.queue, job.dispatch_no, priority)


def celery_settings() -> dict[str, Any]:
    """Celery settings that producers and workers share."""
    return {
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "result_backend": None,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {
            "visibility_timeout": int(VISIBILITY_TIMEOUT.total_seconds()),
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "priority_steps": [int(priority) for priority in Priority],
            "queue_order_strategy": "priority",
        },
        "task_publish_retry_policy": {
            "max_retries": 2,
            "interval_start": 0.1,
            "interval_step": 0.4,
            "interval_max": 0.5,
        },
        "worker_send_task_events": True,
        "task_send_sent_event": True,
    }


class Broker:
    """Publishes messages, and detects a broker that was flushed.

    Celery is imported by the first `publish`, or earlier by `preload`, which a program may call in
    a thread, so that the API's first response does not wait for the import.
    """

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._templates: dict[tuple[str, str], MessageTemplate] = {}

    def preload(self) -> None:
        """Import Celery and create its app, without connecting."""
        _ = self._app

    def publish(self, message: JobMessage) -> None:
        """Publish one message, named after its model so that monitors can distinguish them.

        Raises `BrokerUnavailable` after at most two retries.
        """
        from kombu.exceptions import OperationalError
        from redis import RedisError

        try:
            self._app.send_task(
                message.model,
                args=(message.job_id,),
                task_id=message.task_id,
                queue=message.queue,
                priority=int(message.priority),
            )
        except (OperationalError, RedisError, OSError) as error:
            raise BrokerUnavailable from error

    def wake(self, messages: Sequence[JobMessage], max_length: Mapping[str, int] | int) -> None:
        """Publish messages, in one round trip, to each queue that holds fewer than `max_length`.

        The rest is dropped: that many messages wake every worker. Raises `BrokerUnavailable`.
        """
        by_queue: dict[str, list[str]] = {}
        for message in messages:
            by_queue.setdefault(message.queue, []).append(self._text(message))
        values: list[str | int] = []
        for queue, texts in by_queue.items():
            limit = max_length if isinstance(max_length, int) else max_length[queue]
            values += [limit, len(texts), *texts]
        if by_queue:
            with _redis_errors():
                self._redis.eval(_PUSH, len(by_queue), *by_queue, *values)

    def check(self) -> None:
        """Check that the broker accepts writes; a full one does not. Raises `BrokerUnavailable`."""
        with _redis_errors():
            self._redis.set(PROBE, "", ex=60)

    def was_flushed(self) -> bool:
        """Whether the broker was flushed since `mark`. Raises `BrokerUnavailable`."""
        with _redis_errors():
            return not self._redis.exists(CANARY)

    def mark(self) -> None:
        """Set the key that `was_flushed` looks for. Raises `BrokerUnavailable`."""
        with _redis_errors():
            self._redis.set(CANARY, "here")

    def close(self) -> None:
        """Close all connections."""
        for name in ("_app", "_redis"):
            if name in vars(self):
                getattr(self, name).close()

    def _text(self, message: JobMessage) -> str:
        """The message as Celery would send it, with a task id that no message had before."""
        key = (message.model, message.queue)
        if key not in self._templates:
            self._templates[key] = MessageTemplate.create(*key, celery_settings())
        return self._templates[key].fill(message.job_id, f"{message.job_id}:{uuid4().hex[:8]}")

    @cached_property
    def _app(self) -> Celery:
        from celery import Celery

        app = Celery("kinomill", broker=self._url, set_as_current=False)
        app.conf.update(celery_settings())
        return app

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
