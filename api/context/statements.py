"""The statements that every request runs, each for all requests of one moment together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg.errors import ReadOnlySqlTransaction, UndefinedTable

from accounts.api_keys import ProvenKey, ValidKey, find_keys
from jobs.errors import job_not_found
from jobs.ids import is_id
from jobs.maintenance_beats import SILENT_SECONDS
from jobs.queue.active_counts import ActiveCounts
from jobs.queue.submission import Accepted, Submission, submit_batch
from jobs.rows import JobRow, Versions, find_jobs, find_twin, find_versions
from runtime.async_database import AsyncConnection, DatabaseTimeout
from runtime.batching import Batcher
from runtime.postgres.pooler import Pooler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from jobs.queue.admission import Limits
    from runtime.async_database import Connection

SUBMIT_LANES = 2
"""While one batch is committed, the next is sent."""
READ_LANES = 2

_STATE = (
    "SELECT (SELECT version_num FROM alembic_version), "  # noqa: S608 - constants
    f"({SILENT_SECONDS}), current_setting('transaction_read_only')"
)

Item = TypeVar("Item")
Reply = TypeVar("Reply")


@dataclass(frozen=True)
class DatabaseState:
    """What readiness depends on."""

    revision: str | None
    """The last migration. None: none, or one from before the table of beats."""
    silent_seconds: float | None
    """Since the last beat of maintenance. None: there was none."""


class Statements:
    """Submits jobs and finds jobs and keys, over a few connections of this process."""

    def __init__(self, url: str, limits: Limits, pooler: Pooler = Pooler.NONE) -> None:
        counts = ActiveCounts()
        self._open = partial(AsyncConnection, url, pooler=pooler, program="api")
        self.connections: list[AsyncConnection] = []
        self.shared = self._connect()
        """For what runs in the background: the snapshot of the queues, ends of jobs, health."""

        async def submit(
            connection: Connection, batch: list[Submission]
        ) -> Sequence[Accepted | Exception]:
            return await submit_batch(connection, batch, limits, counts)

        self._submit = Batcher[Submission, Accepted](
            self._lanes(SUBMIT_LANES, submit), outage=DatabaseTimeout
        )
        self._find = Batcher[str, JobRow | None](
            self._lanes(READ_LANES, _find_jobs), outage=DatabaseTimeout
        )
        self._keys = Batcher[str | ProvenKey, ValidKey | None](
            self._lanes(1, find_keys), outage=DatabaseTimeout
        )

    async def submit(self, submission: Submission) -> tuple[JobRow, bool]:
        """Submit a job: (job, replayed). Raises `RequestError` as `submit_batch` says."""
        accepted = await self._submit(submission)
        if accepted.job is None:
            raise ValueError("a submission that is only checked creates no job")
        return accepted.job, accepted.replayed

    async def find_replayed(self, submission: Submission) -> JobRow | None:
        """The job that the same Idempotency-Key created, if any. Raises as `submit` does."""
        return (await self._submit(replace(submission, check_only=True))).job

    async def find_twin(self, submission: Submission) -> JobRow | None:
        """The newest job of the same content, if its account submitted one a short time ago."""
        return await self.shared.run(
            lambda connection: find_twin(connection, submission.account, submission.body_hash)
        )

    async def find_job(self, account: str | None, job_id: str) -> JobRow:
        """One job of this account, or of any account if None, for operators.

        Raises `RequestError` (job_not_found) for any other id.
        """
        job = await self._find(job_id) if is_id(job_id, "job") else None
        if job is None or account not in (None, job.account):
            raise job_not_found()
        return job

    async def find_key(self, presented: str | ProvenKey) -> ValidKey | None:
        """What a presented key permits. None: it is invalid or revoked."""
        return await self._keys(presented)

    async def find_jobs(self, account: str, ids: Collection[str]) -> dict[str, JobRow]:
        """The jobs of these ids that this account has, by id."""
        found = await asyncio.gather(*map(self._find, ids))
        return {job.id: job for job in found if job is not None and job.account == account}

    async def find_versions(
        self, ids: Collection[str], accounts: Collection[str] = (), since: float | None = None
    ) -> Versions:
        """The versions of these jobs, and of the jobs of these accounts: one statement."""
        return await self.shared.run(
            lambda connection: find_versions(connection, ids, accounts, since)
        )

    async def database_state(self) -> DatabaseState:
        """Migrations and maintenance.

        Raises `psycopg.OperationalError` without a database that can be written, and
        `InsufficientPrivilege`.
        """
        try:
            return await self.shared.run(_database_state)
        except UndefinedTable:
            return DatabaseState(None, None)

    async def close(self) -> None:
        """Complete what is in progress, then close all connections."""
        for batcher in (self._submit, self._find, self._keys):
            await batcher.close()
        for connection in self.connections:
            await connection.close()

    def _connect(self) -> AsyncConnection:
        self.connections.append(self._open())
        return self.connections[-1]

    def _lanes(
        self,
        count: int,
        run: Callable[[Connection, list[Item]], Awaitable[Sequence[Reply | Exception]]],
    ) -> list[Callable[[list[Item]], Awaitable[Sequence[Reply | Exception]]]]:
        return [_lane(self._connect(), run) for _ in range(count)]


def _lane(
    connection: AsyncConnection,
    run: Callable[[Connection, list[Item]], Awaitable[Sequence[Reply | Exception]]],
) -> Callable[[list[Item]], Awaitable[Sequence[Reply | Exception]]]:
    """A lane of a `Batcher` with a connection of its own.

    If PostgreSQL refuses a batch, its items are run one by one: only those to blame fail.
    """

    async def run_batch(items: list[Item]) -> Sequence[Reply | Exception]:
        try:
            return await connection.run(lambda opened: run(opened, items))
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            if len(items) == 1:
                return [error]
            return [reply for item in items for reply in await run_batch([item])]

    return run_batch


async def _database_state(connection: Connection) -> DatabaseState:
    cursor = await connection.execute(_STATE)
    [(revision, seconds, read_only)] = await cursor.fetchall()
    if read_only == "on":  # as a write would find out, so that the connection is opened again
        raise ReadOnlySqlTransaction("the database is read-only")
    return DatabaseState(revision, seconds)


async def _find_jobs(connection: Connection, ids: list[str]) -> list[JobRow | None]:
    found = await find_jobs(connection, ids)
    return [found.get(job_id) for job_id in ids]
