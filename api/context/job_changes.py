"""Waits for changes of jobs and of accounts: one statement a tick for all that this process has.

Whoever ends a job publishes a hint in Redis, which wakes its request within milliseconds. A hint
may be lost, and Redis may be down: then the next tick finds the end.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import TYPE_CHECKING

import psycopg
import structlog

from jobs.queue.end_hints import CHANNEL, ended_ids

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Iterator, Mapping
    from datetime import datetime
    from typing import Protocol

    from redis.asyncio import Redis

    from jobs.rows import AccountLook, JobVersion, Versions

    class FindVersions(Protocol):
        """The statement of a tick: `Statements.find_versions`."""

        def __call__(
            self, ids: Collection[str], accounts: Collection[str], since: float | None
        ) -> Awaitable[Versions]:
            """Find them."""
            ...


log = structlog.get_logger()

TICK_SECONDS = 0.5
RECONNECT_SECONDS = 2.0


class Follower:
    """A request that follows a job. `changed` is set when the version differs, and at its end."""

    def __init__(self) -> None:
        self.version = ""
        """The latest version of the row; the job that is read after a change is at least as new."""
        self.preview_at: datetime | None = None
        self.changed = asyncio.Event()
        self.ended = asyncio.Event()
        """Set when the job has ended or was deleted, or when the server stops."""

    def notify(self, version: JobVersion | None) -> None:
        """Take what the poller has read of the job; None: it was deleted."""
        if version is None or version.text != self.version:
            self.version = version.text if version else ""
            self.preview_at = version.preview_at if version else None
            self.changed.set()
        if version is None or version.final:
            self.end()

    def end(self) -> None:
        """End the wait."""
        self.ended.set()
        self.changed.set()


class AccountFollower:
    """A request that follows the jobs of an account. `changed` is set when one of them differs."""

    def __init__(self) -> None:
        self.look: AccountLook | None = None
        """The newest look at the account; of a slow reader the looks before it are lost."""
        self.changed = asyncio.Event()

    def notify(self, look: AccountLook) -> None:
        """Take what the poller has read of the account."""
        differs = self.look is None or look.versions != self.look.versions
        self.look = look
        if differs:
            self.changed.set()


class JobChanges:
    """Which requests follow which jobs and accounts. It does nothing while none does."""

    def __init__(self, find_versions: FindVersions, redis_url: str) -> None:
        self._find_versions = find_versions
        self._redis_url = redis_url
        self._followers: dict[str, set[Follower]] = {}
        self._account_followers: dict[str, set[AccountFollower]] = {}
        self._looked_at: float | None = None
        """When all accounts were looked at last, by the clock of the database."""
        self._hinted: set[str] = set()
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.closing = False
        """Whether the server stops: nothing is waited for any more."""

    @contextmanager
    def follow(self, job_id: str) -> Iterator[Follower]:
        """Follow a job. Read it after this begins, so that no change in between is missed."""
        self._start()
        follower = Follower()
        if self.closing:
            follower.end()
        self._followers.setdefault(job_id, set()).add(follower)
        try:
            yield follower
        finally:
            self._followers[job_id].discard(follower)
            if not self._followers[job_id]:
                del self._followers[job_id]

    @contextmanager
    def follow_account(self, account: str) -> Iterator[AccountFollower]:
        """Follow the jobs of an account. Look at it after this begins, so that none is missed."""
        self._start()
        follower = AccountFollower()
        self._account_followers.setdefault(account, set()).add(follower)
        try:
            yield follower
        finally:
            self._account_followers[account].discard(follower)
            if not self._account_followers[account]:
                del self._account_followers[account]

    def _start(self) -> None:
        if not self._tasks and not self.closing:
            # contexts of their own: they log for no request
            work = (self._poll(), self._listen())
            self._tasks = [asyncio.create_task(each, context=Context()) for each in work]

    @contextmanager
    def watch(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the job has ended. Read the job after this begins."""
        with self.follow(job_id) as follower:
            yield follower.ended

    def end_waits(self) -> None:
        """End all waits now, also later ones: requests read their jobs a last time."""
        self.closing = True
        for follower in [each for followers in self._followers.values() for each in followers]:
            follower.end()
        for accounts in self._account_followers.values():
            for each in accounts:
                each.changed.set()

    async def close(self) -> None:
        """End all waits, then the tasks."""
        self.end_waits()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _poll(self) -> None:
        """Read versions: at once of hinted jobs, each tick of all that are followed."""
        next_tick = time.monotonic() + TICK_SECONDS
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), next_tick - time.monotonic())
            ids, accounts = self._hinted & self._followers.keys(), set[str]()
            if time.monotonic() >= next_tick:
                ids, accounts = set(self._followers), set(self._account_followers)
                next_tick = time.monotonic() + TICK_SECONDS
            self._hinted.clear()
            self._woken.clear()
            if ids or accounts:
                await self._look_at(ids, accounts)

    async def _look_at(self, ids: Collection[str], accounts: Collection[str]) -> None:
        try:
            found = await self._find_versions(ids, accounts, self._looked_at)
        except psycopg.Error as error:
            log.warning("changes of jobs not read: database unavailable", error=str(error))
            await asyncio.sleep(TICK_SECONDS)  # hints would ask a dead database without a pause
        except Exception:
            log.exception("changes of jobs not read")  # the task goes on: all waits depend on it
            await asyncio.sleep(TICK_SECONDS)
        else:
            for job_id in ids:
                for follower in list(self._followers.get(job_id, ())):
                    follower.notify(found.jobs.get(job_id))
            self._notify_accounts(found.accounts)

    def _notify_accounts(self, looks: Mapping[str, AccountLook]) -> None:
        for account, look in looks.items():
            self._looked_at = look.at
            for follower in list(self._account_followers.get(account, ())):
                follower.notify(look)

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
                hinted = self._followers.keys() & set(ended_ids(message["data"]))
                if hinted:
                    self._hinted |= hinted
                    self._woken.set()
