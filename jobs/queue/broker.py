"""The broker: the only place on the producer's side that knows the broker.

A message carries a job id and nothing else. Losing one costs seconds, never a job: the reconciler
rings again for each row that is still queued when its `next_dispatch_at` has come.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobs.states import Priority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery
    from redis import Redis

    from jobs.tables import Job

CANARY = "kinomill:canary"
"""A key that is gone when the broker has lost its memory."""
PROBE = "kinomill:probe"
"""Written to see whether the broker takes anything; gone after a minute."""
VISIBILITY_TIMEOUT = timedelta(hours=12)
"""Redis hands out an unacknowledged message again after this; see `workers.settings`."""


class BrokerUnavailable(Exception):
    """Redis did not take a message. The job is safe in PostgreSQL: ring again later."""


@dataclass(frozen=True)
class JobMessage:
    """One ring for one job."""

    job_id: str
    model: str
    queue: str
    number: int
    priority: Priority = Priority.NORMAL

    @property
    def task_id(self) -> str:
        """Never the bare job id: Celery refuses a revoked id for hours."""
        return f"{self.job_id}:{self.number}"


def message_for(job: Job, priority: Priority | None = None) -> JobMessage:
    """The ring that a job needs; at its own priority if it was submitted a moment ago."""
    urgent = Priority(job.priority) if priority is None else priority
    return JobMessage(job.id, job.model, job.queue, job.dispatch_no, urgent)


def celery_settings() -> dict[str, Any]:
    """What producers and workers must agree on."""
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
    """Publishes calls on the broker.

    Celery is imported when the first bell is rung, or by `preload`, which a program may call in a
    thread: the API's first answer need not wait for it.
    """

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url

    def preload(self) -> None:
        """Make what `ring` needs; no connection yet."""
        _ = self._app

    def publish(self, call: JobMessage) -> None:
        """Publish one call, named after its model so that monitors can tell them apart.

        Raises `BrokerUnavailable` after at most two more tries.
        """
        from kombu.exceptions import OperationalError
        from redis import RedisError

        try:
            self._app.send_task(
                call.model,
                args=(call.job_id,),
                task_id=call.task_id,
                queue=call.queue,
                priority=int(call.priority),
            )
        except (OperationalError, RedisError, OSError) as error:
            raise BrokerUnavailable from error

    def check(self) -> None:
        """Write something: a broker that is full still reads. Raises `BrokerUnavailable`."""
        with _redis_errors():
            self._redis.set(PROBE, "", ex=60)

    def was_flushed(self) -> bool:
        """Whether the broker was emptied since `remember`. Raises `BrokerUnavailable`."""
        with _redis_errors():
            return not self._redis.exists(CANARY)

    def mark(self) -> None:
        """Leave the mark that a later `forgot` looks for. Raises `BrokerUnavailable`."""
        with _redis_errors():
            self._redis.set(CANARY, "here")

    def close(self) -> None:
        """Let go of all connections."""
        for made in ("_app", "_redis"):
            if made in vars(self):
                getattr(self, made).close()

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
