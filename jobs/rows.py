"""Jobs as plain tuples, for the statements that every request runs: no ORM instance is built."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from jobs.ids import lowest_job_id
from jobs.states import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from jobs.quota_state import QuotaState
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
    start_by: datetime | None = None
    retry_of: str | None = None
    attempt: int = 0
    phase: str | None = None
    progress: dict[str, Any] = {}  # noqa: RUF012 - never changed
    timings: dict[str, Any] = {}  # noqa: RUF012
    notes: dict[str, Any] = {}  # noqa: RUF012
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    webhook_events: list[str] | None = None
    has_preview: bool = False
    """Whether its last attempt has stored a preview."""
    quotas: tuple[QuotaState, ...] = ()
    """Of a job that was just submitted: what is left of its account's quotas of requests."""

    @property
    def final(self) -> bool:
        """Whether the job has ended."""
        return State(self.state).final


_NOT_COLUMNS = {"has_preview", "quotas"}
COLUMNS = ", ".join(
    [
        *(f"jobs.{name}" for name in JobRow._fields if name not in _NOT_COLUMNS),
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
MAX_LISTED = 1000
"""Of an account no more jobs are looked at: the newest live ones, and those that ended last."""
COMMIT_SECONDS = 10
"""The end of a job is visible at most this long after its `ended_at`: when it is committed."""
_VERSION = """
    jobs.id, concat_ws('.', jobs.xmin, extract(epoch FROM previews.at)),
    jobs.state NOT IN ('queued', 'running'), previews.at, jobs.state, jobs.labels::text,
    extract(epoch FROM jobs.ended_at)::float8"""
_PREVIEWS = """
LEFT JOIN previews ON previews.job_id = jobs.id AND previews.attempt = jobs.attempt"""
_CLOCK = "extract(epoch FROM now())::float8"
_VERSIONS = f"""
SELECT '' AS account, {_CLOCK}, {_VERSION} FROM jobs {_PREVIEWS} WHERE jobs.id = ANY(%(ids)s)
"""  # noqa: S608 - constants
_OF_ACCOUNTS = f"""
UNION ALL SELECT watched.account, {_CLOCK}, {_VERSION}
FROM unnest(%(accounts)s::text[]) AS watched(account) LEFT JOIN LATERAL (
    (SELECT xmin, id, state, labels, attempt, ended_at FROM jobs
    WHERE account = watched.account AND state IN ('queued', 'running')
    ORDER BY id DESC LIMIT {MAX_LISTED})
    UNION ALL
    (SELECT xmin, id, state, labels, attempt, ended_at FROM jobs
    WHERE account = watched.account AND ended_at IS NOT NULL AND ended_at
        > coalesce(to_timestamp(%(since)s::float8), now()) - interval '{COMMIT_SECONDS} seconds'
    ORDER BY ended_at DESC LIMIT {MAX_LISTED})
) AS jobs ON true {_PREVIEWS}"""  # noqa: S608


class JobVersion(NamedTuple):
    """A state of a job's row."""

    text: str
    """Differs after each change: the transaction that wrote the row, the time of its preview."""
    final: bool
    preview_at: datetime | None = None
    state: str = ""
    labels: str = "{}"
    """The labels as JSON; they never change."""
    ended_at: float | None = None
    """By the database's clock, as `AccountLook.at`."""


class AccountLook(NamedTuple):
    """The live jobs of an account at one moment, and those that ended shortly before."""

    versions: dict[str, JobVersion]
    """By id."""
    at: float
    """When, in seconds of the database's clock since 1970."""
    shared: dict[str, Any]
    """What its readers make of a job, by id: made once for all of them."""


class Versions(NamedTuple):
    """What one statement finds for all that a process follows."""

    jobs: dict[str, JobVersion]
    """By id; of the jobs that exist."""
    accounts: dict[str, AccountLook]


async def find_jobs(connection: Connection, ids: Iterable[str]) -> dict[str, JobRow]:
    """The jobs of these ids that exist, by id: one statement, by primary key."""
    rows = await (await connection.execute(FIND, (list(ids),))).fetchall()
    return {row[0]: JobRow(*row) for row in rows}


async def find_versions(
    connection: Connection,
    ids: Collection[str],
    accounts: Collection[str] = (),
    since: float | None = None,
) -> Versions:
    """The versions of the jobs of these ids, and of the jobs of these accounts.

    Of an account these are the live jobs, and those that have ended `since` a time of the
    database's clock or up to `COMMIT_SECONDS` before it; None: before now.
    """
    statement = _VERSIONS + _OF_ACCOUNTS if accounts else _VERSIONS
    values = {"ids": list(ids), "accounts": list(accounts), "since": since}
    found = Versions({}, {})
    for row in await (await connection.execute(statement, values)).fetchall():
        of = found.jobs
        if row[0]:
            of = found.accounts.setdefault(row[0], AccountLook({}, row[1], {})).versions
        if row[2] is not None:  # null: an account without such jobs
            of[row[2]] = JobVersion(*row[3:])
    return found


async def find_twin(connection: Connection, account: str, body_hash: str) -> JobRow | None:
    """The newest job of this account with the same model and input, `RESENT_SECONDS` back."""
    oldest = lowest_job_id(time.time() - RESENT_SECONDS)
    rows = await (await connection.execute(_TWIN, (account, body_hash, oldest))).fetchall()
    return JobRow(*rows[0]) if rows else None
