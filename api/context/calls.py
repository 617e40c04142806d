"""Calls that block, in threads of their own for each dependency, and with a deadline.

With one pool for all, 45 uploads to a bucket that does not respond held every thread for two
minutes, and nothing else was answered. The threads of a pool are shared fairly by accounts.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

from api.context.sharing.fair_slots import CALLER, FairSlots
from runtime.async_database import DatabaseTimeout
from storage.base import (
    ObjectCorrupted,
    StorageDenied,
    StorageFull,
    StorageUnavailable,
    UploadCorrupted,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from sqlalchemy.orm import Session

    from runtime.database import SessionFactory

DEADLINE_SECONDS: Final = 10.0
"""A request waits for one call no longer than this, the wait for a thread included."""
PROBE_SECONDS: Final = 2.0
"""A health check waits for database and broker no longer: sooner than a probe gives up."""
STORAGE_THREADS: Final = 8
DATABASE_THREADS: Final = 10
FAILURES_TO_OPEN: Final = 5
"""After this many failures in a row object storage is not called for `OPEN_SECONDS`."""
OPEN_SECONDS: Final = 5.0

STORAGE_ERRORS: Final = {
    StorageUnavailable: "unavailable",
    StorageDenied: "denied",
    StorageFull: "full",
    UploadCorrupted: "corrupted",
    ObjectCorrupted: "corrupted",
}
"""Errors of object storage itself, and how metrics name them. Others are those of a caller."""

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A bounded pool of threads. A call that exceeds the deadline keeps its thread until it ends.

    Calls that still wait for a thread then are never begun.
    """

    def __init__(
        self, name: str, threads: int, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._slots = FairSlots(threads, share=(threads + 1) // 2)
        self.deadline_seconds = deadline_seconds

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call in a thread. Raises what it raises, and `TimeoutError` at the deadline."""
        account = CALLER.get()
        async with asyncio.timeout(self.deadline_seconds):
            await self._slots.take(account)
            return await asyncio.wrap_future(self._begun(account, partial(call, *args, **kwargs)))

    def _begun(self, account: str | None, call: Callable[[], T]) -> Future[T]:
        """The call in a thread, whose slot is free once the thread is."""
        loop = asyncio.get_running_loop()

        def release(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop has ended before the call
                loop.call_soon_threadsafe(self._slots.release, account)

        try:
            running = self._pool.submit(call)
        except BaseException:
            self._slots.release(account)
            raise
        running.add_done_callback(release)
        return running

    def close(self) -> None:
        """Take no more calls; those that run are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@asynccontextmanager
async def entered(
    manager: AbstractContextManager[T], calls: StorageCalls, closing: Threads
) -> AsyncGenerator[T]:
    """Enter a context manager that calls object storage, and leave it, both in threads."""
    value = await calls.run(manager.__enter__)
    try:
        yield value
    except BaseException as error:
        await closing.run(manager.__exit__, type(error), error, error.__traceback__)
        raise
    await closing.run(manager.__exit__, None, None, None)


class CircuitBreaker:
    """Refuses calls for a while after several failures in a row, then lets one of them try."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures = 0
        self._closed_at = 0.0

    def wait_seconds(self) -> float:
        """How long the next call has to wait; 0 if it may begin. Then it counts as the trial."""
        if self._failures < FAILURES_TO_OPEN:
            return 0.0
        wait = max(0.0, self._closed_at - self._now())
        if not wait:
            self._closed_at = self._now() + OPEN_SECONDS
        return wait

    def record(self, *, success: bool) -> None:
        """Note how a call ended."""
        self._failures = 0 if success else self._failures + 1
        if not success:
            self._closed_at = self._now() + OPEN_SECONDS


class StorageCalls:
    """Calls of object storage: in threads of their own, refused at once while it is down."""

    def __init__(
        self, *, threads: int = STORAGE_THREADS, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._threads = Threads("storage", threads, deadline_seconds=deadline_seconds)
        self._breaker = CircuitBreaker()
        self.errors: Counter[str] = Counter()
        """Errors so far, by name."""

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call. Raises what it raises, and `StorageUnavailable` at the deadline."""
        try:
            return await self._run(call, *args, **kwargs)
        except tuple(STORAGE_ERRORS) as error:
            self.errors[STORAGE_ERRORS[type(error)]] += 1
            raise

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if wait := self._breaker.wait_seconds():
            raise StorageUnavailable(
                f"not called for {wait:.0f} s more, after {FAILURES_TO_OPEN} failures in a row"
            )
        try:
            result = await self._threads.run(call, *args, **kwargs)
        except TimeoutError as error:
            self._breaker.record(success=False)
            seconds = self._threads.deadline_seconds
            raise StorageUnavailable(f"no reply within {seconds:g} s") from error
        except Exception as error:
            self._breaker.record(success=not isinstance(error, StorageUnavailable))
            raise
        self._breaker.record(success=True)
        return result

    def close(self) -> None:
        """Take no more calls."""
        self._threads.close()


class DatabaseCalls:
    """Calls with a session, in threads of their own. For what is not in `Statements`."""

    def __init__(self, sessions: SessionFactory, *, threads: int = DATABASE_THREADS) -> None:
        self._sessions = sessions
        self._threads = Threads("database", threads)

    async def run(self, call: Callable[..., T], *args: object) -> T:
        """Call with a session and these arguments, and commit.

        Raises what the call raises, and `DatabaseTimeout` at the deadline.
        """
        try:
            return await self._threads.run(self._in_session, call, *args)
        except TimeoutError as error:
            seconds = self._threads.deadline_seconds
            raise DatabaseTimeout(f"no reply within {seconds:g} s") from error

    def close(self) -> None:
        """Take no more calls."""
        self._threads.close()

    def _in_session(self, call: Callable[..., T], *args: object) -> T:
        """Call once more if the connection broke before the commit, when nothing was stored.

        What breaks during the commit is not repeated: it may have been stored.
        """
        with self._sessions() as session:
            try:
                result = self._flushed(session, call, *args)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                session.rollback()
                result = self._flushed(session, call, *args)
            session.commit()
            return result

    def _flushed(self, session: Session, call: Callable[..., T], *args: object) -> T:
        result = call(session, *args)
        session.flush()
        return result


UNAVAILABLE_RETRY: Final = timedelta(seconds=OPEN_SECONDS)
"""When to send a request again that an outage of database or storage refused."""
