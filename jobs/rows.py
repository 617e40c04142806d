"""Jobs as plain tuples, for the statements that every request runs: no ORM instance is built."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from jobs.ids import lowest_job_id
from jobs.states import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from runtime.async_database import Connection


class JobRow(NamedTuple):
    """What the owner of a job may see of it; the names of `jobs.tables.Job`."""

    id: str
    account: str
    model: str
    queue: str
    input: dict[str, Any]
    labels: dict[str, Any]
    webhook_url: str | None
    state: str
    priority: int
    body_hash: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    expired_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    attempt: int = 0
    phase: str | None = None
    progress: dict[str, Any] = {}  # noqa: RUF012 - never changed
    timings: dict[str, Any] = {}  # noqa: RUF012
    notes: dict[str, Any] = {}  # noqa: RUF012
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    has_preview: bool = False
    """Whether its last attempt has stored a preview."""

    @property
    def final(self) -> bool:
        """Whether the job has ended."""
        return State(self.state).final


COLUMNS = ", ".join(
    [
        *(f"jobs.{name}" for name in JobRow._fields if name != "has_preview"),
        "EXISTS (SELECT FROM previews WHERE job_id = jobs.id AND previews.attempt = jobs.attempt)",
    ]
)
"""The columns of a `JobRow` for a SELECT from `jobs`, in its order."""

FIND = f"SELECT {COLUMNS} FROM jobs WHERE id = ANY(%s)"  # noqa: S608 - constants
RESENT_SECONDS = 600
"""A client that sends a request again without a key does so within this time."""
_TWIN = f"""
SELECT {COLUMNS} FROM jobs
WHERE account = %s AND body_hash = %s AND id >= %s
ORDER BY id DESC LIMIT 1"""  # noqa: S608 - constants
_VERSIONS = """
SELECT jobs.id, concat_ws('.', jobs.xmin, extract(epoch FROM previews.at)),
    jobs.state NOT IN ('queued', 'running'), previews.at
FROM jobs LEFT JOIN previews ON previews.job_id = jobs.id AND previews.attempt = jobs.attempt
WHERE jobs.id = ANY(%s)"""


class JobVersion(NamedTuple):
    """A state of a job's row."""

    text: str
    """Differs after each change: the transaction that wrote the row, the time of its preview."""
    final: bool
    preview_at: datetime | None = None


async def find_jobs(connection: Connection, ids: Iterable[str]) -> dict[str, JobRow]:
    """The jobs of these ids that exist, by id: one statement, by primary key."""
    rows = await (await connection.execute(FIND, (list(ids),))).fetchall()
    return {row[0]: JobRow._make(row) for row in rows}


async def find_versions(connection: Connection, ids: Collection[str]) -> dict[str, JobVersion]:
    """The versions of the jobs of these ids that exist, by id."""
    rows = await (await connection.execute(_VERSIONS, (list(ids),))).fetchall()
    return {row[0]: JobVersion(*row[1:]) for row in rows}


async def find_twin(connection: Connection, account: str, body_hash: str) -> JobRow | None:
    """The newest job of this account with the same model and input, `RESENT_SECONDS` back."""
    oldest = lowest_job_id(time.time() - RESENT_SECONDS)
    rows = await (await connection.execute(_TWIN, (account, body_hash, oldest))).fetchall()
    return JobRow._make(rows[0]) if rows else None
