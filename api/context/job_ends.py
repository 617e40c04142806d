"""Waits for the ends of jobs: one statement a tick for all requests of this process.

Whoever ends a job publishes a hint in Redis, which wakes its request within milliseconds. A hint
may be lost, and Redis may be down: then the next tick finds the end.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
import structlog

from jobs.queue.end_hints import CHANNEL, ended_ids

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

    from redis.asyncio import Redis

log = structlog.get_logger()

TICK_SECONDS = 0.5
RECONNECT_SECONDS = 2.0


class JobEnds:
    """Which requests wait for which jobs. It does nothing while none waits."""

    def __init__(
        self, find_ended: Callable[[Collection[str]], Awaitable[set[str]]], redis_url: str
    ) -> None:
        self._find_ended = find_ended
        self._redis_url = redis_url
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._hinted: set[str] = set()
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    @contextmanager
    def watch(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the job has ended. Read the job after this begins.

        So an end between the read and the wait is not missed.
        """
        if not self._tasks and not self._closing:
            self._tasks = [asyncio.create_task(self._poll()), asyncio.create_task(self._listen())]
        ended = asyncio.Event()
        if self._closing:
            ended.set()
        self._waiting.setdefault(job_id, set()).add(ended)
        try:
            yield ended
        finally:
            self._waiting[job_id].discard(ended)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    def end_waits(self) -> None:
        """End all waits now, also later ones: requests read their jobs a last time."""
        self._closing = True
        self._set(set(self._waiting))

    async def close(self) -> None:
        """End all waits, then the tasks."""
        self.end_waits()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _poll(self) -> None:
        """Look for ends: at once for hinted jobs, each tick for all that are waited for."""
        next_tick = time.monotonic() + TICK_SECONDS
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), next_tick - time.monotonic())
            ids = self._hinted & self._waiting.keys()
            if time.monotonic() >= next_tick:
                ids = set(self._waiting)
                next_tick = time.monotonic() + TICK_SECONDS
            self._hinted.clear()
            self._woken.clear()
            if ids:
                await self._look_for(ids)

    async def _look_for(self, ids: Collection[str]) -> None:
        try:
            self._set(await self._find_ended(ids))
        except psycopg.Error as error:
            log.warning("ends of jobs not read: database unavailable", error=str(error))
            await asyncio.sleep(TICK_SECONDS)  # hints would ask a dead database without a pause
        except Exception:
            log.exception("ends of jobs not read")  # the task goes on: all waits depend on it
            await asyncio.sleep(TICK_SECONDS)

    def _set(self, ids: Collection[str]) -> None:
        for ended in [each for job_id in ids for each in self._waiting.get(job_id, ())]:
            ended.set()

    async def _listen(self) -> None:
        """Receive hints until closed; reconnect after an outage."""
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        while True:
            async with Redis.from_url(self._redis_url, socket_connect_timeout=5) as redis:
                try:
                    await self._receive(redis)
                except (RedisError, OSError) as error:
                    log.warning("no hints of ended jobs: broker unavailable", error=str(error))
                except Exception:
                    log.exception("no hints of ended jobs")
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _receive(self, redis: Redis) -> None:
        async with redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(CHANNEL)
            async for message in channel.listen():
                hinted = self._waiting.keys() & set(ended_ids(message["data"]))
                if hinted:
                    self._hinted |= hinted
                    self._woken.set()
