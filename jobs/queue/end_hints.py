"""Hints on a Redis channel that jobs have ended, so that a waiting caller is answered at once.

A hint may be lost: the row of the job is the truth, and whoever waits also polls.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

log = structlog.get_logger()

CHANNEL = "kinomill:ended"
"""Channel of the hints. Each message holds the ids of jobs, separated by spaces."""
TIMEOUT_SECONDS = 0.25
"""How long the end of a job waits for Redis at most, and once more after a lost connection."""
PAUSE_SECONDS = 5.0
"""After an error no hint is sent for this long, so that not every job waits for a dead Redis."""


def publish_ended(redis: Redis, job_ids: Iterable[str]) -> None:
    """Publish that these jobs have ended. Call it after the commit. Raises `RedisError`."""
    redis.publish(CHANNEL, " ".join(job_ids))


def ended_ids(data: bytes) -> list[str]:
    """The ids of jobs in a message of the channel."""
    return data.decode(errors="replace").split()


class EndHints:
    """Sends hints from a program that ends jobs. An error is logged once a pause, never raised."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._paused_until = 0.0

    def send(self, job_ids: Iterable[str]) -> None:
        """Send a hint for these jobs. Waits `TIMEOUT_SECONDS` at most for Redis."""
        from redis import RedisError

        if time.monotonic() < self._paused_until:
            return
        try:
            publish_ended(self._redis, job_ids)
        except (RedisError, OSError) as error:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            log.warning("hints of ended jobs are not sent", error=str(error))

    def close(self) -> None:
        """Close the connection."""
        if "_redis" in vars(self):
            self._redis.close()

    @cached_property
    def _redis(self) -> Redis:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return Redis.from_url(
            self._url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),
        )
