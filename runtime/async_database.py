"""PostgreSQL for asyncio: connections whose prepared statements live as long as they do.

For the few statements that every request runs. SQLAlchemy's sessions would roll back after each
read, and psycopg drops all prepared statements at a rollback: 0.70 instead of 0.23 ms a look-up.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy.engine import make_url

from runtime.postgres.pooler import Pooler
from runtime.postgres.sessions import BY_INDEX, connect_arguments

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

TIMEOUT_SECONDS = 10.0
"""Longest time for one use of a connection, with its opening and the wait for earlier uses."""
CANCEL_SECONDS = 0.5
"""How long a server may take to confirm that it canceled a statement."""
INDEXED_PLANS = BY_INDEX | {"enable_hashjoin": "off", "enable_mergejoin": "off"}
"""No plan reads a whole table, also not through an index to join it by a hash or a merge."""
FIRST_PLANS_SECONDS, PLANS_SECONDS = 1.0, 60.0
"""How long plans of statements are kept: at first a second, then twice as long each time up to a
minute. A plan for an empty table may read all rows of a full one."""


class DatabaseTimeout(psycopg.OperationalError):
    """The database did not respond within `TIMEOUT_SECONDS`."""


class CannotConnect(psycopg.OperationalError):
    """The database accepts no connection."""


@asynccontextmanager
async def within_timeout(seconds: float | None = None) -> AsyncGenerator[None]:
    """Raise `DatabaseTimeout` in the block after so many seconds; default: `TIMEOUT_SECONDS`.

    The first cancellation has psycopg cancel the statement. A server that hangs does not confirm
    that: the second one has psycopg close the connection instead of waiting 10 s.
    """
    seconds = TIMEOUT_SECONDS if seconds is None else seconds
    try:
        async with asyncio.timeout(seconds + CANCEL_SECONDS), asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise DatabaseTimeout(f"no reply within {seconds:g} s") from error


Connection = psycopg.AsyncConnection[tuple[Any, ...]]
T = TypeVar("T")


class AsyncConnection:
    """One connection in autocommit mode, opened by its first use and again after it broke.

    Every statement is prepared and finds its rows by an index, unless a pooler lends the session.
    """

    def __init__(self, url: str, *, pooler: Pooler = Pooler.NONE, program: str = "") -> None:
        parsed = make_url(url).set(drivername="postgresql")
        self._url = parsed.render_as_string(hide_password=False)
        arguments = connect_arguments(pooler, program=program, settings=INDEXED_PLANS)
        self._arguments = {"prepare_threshold": 0} | arguments
        self._connection: Connection | None = None
        self._prepares = pooler is Pooler.NONE
        self._plans = _Plans()
        self._lock = asyncio.Lock()

    async def run(self, use: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `use` with the connection; once more if that was closed, before or meanwhile.

        So `use` must be safe to repeat. One use at a time; others wait. Raises
        `psycopg.OperationalError`; after a `DatabaseTimeout` or `CannotConnect` it is not repeated.
        """
        async with within_timeout(), self._lock:
            try:
                return await self._run_once(use)
            except CannotConnect:
                raise
            except psycopg.OperationalError:
                return await self._run_once(use)

    @property
    def opened(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    @property
    def used(self) -> bool:
        """Whether a statement runs now."""
        return self._lock.locked()

    async def close(self) -> None:
        """Close the connection."""
        async with self._lock:
            await self._drop()

    async def _run_once(self, use: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            if self._connection is None:
                self._connection = await self._open()
                self._plans = _Plans()
            elif self._prepares and self._plans.are_old():
                await self._connection.execute("DISCARD PLANS")
            return await use(self._connection)
        except ReadOnlySqlTransaction as error:  # this server is a standby since a failover
            await self._drop()
            raise psycopg.OperationalError(str(error)) from error
        except BaseException:
            await self._drop()  # its state is unknown: a cancelled use may have left replies unread
            raise

    async def _open(self) -> Connection:
        try:
            return await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, **self._arguments
            )
        except psycopg.OperationalError as error:
            raise CannotConnect(str(error)) from error

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class _Plans:
    """The age of the plans of a connection."""

    def __init__(self) -> None:
        self._seconds = FIRST_PLANS_SECONDS
        self._until = time.monotonic() + self._seconds

    def are_old(self) -> bool:
        """Whether they must be made again now, which the caller does."""
        now = time.monotonic()
        if now < self._until:
            return False
        self._seconds = min(self._seconds * 2, PLANS_SECONDS)
        self._until = now + self._seconds
        return True
