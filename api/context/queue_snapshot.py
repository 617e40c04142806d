"""The state of all queues, read in the background at most once a second."""

from __future__ import annotations

import asyncio
import time
from contextvars import Context
from typing import TYPE_CHECKING

import psycopg
import structlog

from jobs.queue.snapshot import QueueState, read_queues

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.async_database import AsyncConnection

log = structlog.get_logger()

FRESH_SECONDS = 1.0
"""A snapshot of this age is read again, while requests still get it."""
STALE_SECONDS = 5.0
"""Requests wait for a newer snapshot than this: nobody has asked for a while."""
MAX_SHARE = 0.05
"""Reading takes no more than this share of the time: 100,000 waiting jobs take 60 ms and more."""


class QueueSnapshot:
    """What a process knows of the queues; it reads nothing while nobody asks."""

    def __init__(
        self, connection: AsyncConnection, queues: Mapping[str, str], *, count_to: int
    ) -> None:
        """`queues` maps models to their queues; longer queues are counted to `count_to` jobs."""
        self._connection = connection
        self._queues = queues
        self._count_to = count_to
        self._states: dict[str, QueueState] = {}
        self._read_at = float("-inf")
        self._seconds = 0.0
        self._reading: asyncio.Task[None] | None = None

    async def get(self) -> Mapping[str, QueueState]:
        """The states by model. Raises `psycopg.OperationalError` if there is no recent one."""
        age = time.monotonic() - self._read_at
        interval = max(FRESH_SECONDS, self._seconds / MAX_SHARE)
        if age > interval and self._reading is None:
            self._reading = asyncio.create_task(self._read(), context=Context())
            self._reading.add_done_callback(self._done)
        if age > max(STALE_SECONDS, interval) and self._reading is not None:
            await asyncio.shield(self._reading)
        return self._states

    def latest(self, model: str) -> QueueState:
        """The state of one queue as it was read last; an empty one before the first read."""
        return self._states.setdefault(model, QueueState())

    async def close(self) -> None:
        """End a read in progress."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _read(self) -> None:
        began = time.monotonic()
        self._states = await self._connection.run(
            lambda connection: read_queues(connection, self._queues, count_to=self._count_to)
        )
        self._read_at = time.monotonic()
        self._seconds = self._read_at - began

    def _done(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        error = None if task.cancelled() else task.exception()
        if isinstance(error, psycopg.OperationalError | psycopg.errors.UndefinedTable):
            log.warning("queues not read: database unavailable", error=str(error))
        elif error is not None:
            log.error("queues not read", exc_info=error)
