"""What the API does with batches: store, find, list, count, cancel, retry. The caller commits."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from jobs import expiry, file_locks
from jobs.batches.tables import Batch, BatchRow
from jobs.errors import ErrorCode, FieldError, RequestError, file_not_found
from jobs.ids import is_id, new_batch_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from jobs.batches.rows import NewRow

MAX_ROWS = 10_000
"""Rows of one batch."""
ROWS_PER_STATEMENT = 1000

_INSERT_ROWS = text("""
INSERT INTO batch_rows (batch_id, number, key, submission)
SELECT :batch_id, number, key, submission
FROM json_to_recordset(CAST(:rows AS json)) AS rows (number integer, key text, submission jsonb)
""")
_STATUS = """CASE
    WHEN batch_rows.canceled_at IS NOT NULL THEN 'canceled'
    WHEN batch_rows.error IS NOT NULL THEN 'failed'
    WHEN job_id IS NULL THEN 'waiting'
    WHEN jobs.id IS NULL THEN 'deleted'
    ELSE jobs.state
END"""
_COUNTS = text(f"""
SELECT {_STATUS} AS status, submission ->> 'model' AS model,
    coalesce(batch_rows.error, jobs.error) ->> 'code' AS code, count(*) AS rows
FROM batch_rows LEFT JOIN jobs ON jobs.id = job_id
WHERE batch_id = :batch_id
GROUP BY 1, 2, 3
""")  # noqa: S608 - constants
_PAGE = text(f"""
SELECT number, key, submission ->> 'model' AS model, tries, {_STATUS} AS status, job_id,
    jobs.result, coalesce(batch_rows.error, jobs.error) AS error, jobs.expired_at
FROM batch_rows LEFT JOIN jobs ON jobs.id = job_id
WHERE batch_id = :batch_id AND number > :after
    AND (CAST(:status AS text) IS NULL OR {_STATUS} = :status)
ORDER BY number LIMIT :limit
""")  # noqa: S608
_FAILED = """batch_id = :batch_id AND canceled_at IS NULL AND (error IS NOT NULL OR EXISTS (
    SELECT FROM jobs WHERE jobs.id = job_id AND jobs.state = 'failed'))"""
_FILES_OF_FAILED = text(f"""
SELECT DISTINCT jsonb_array_elements_text(submission -> 'files') FROM batch_rows WHERE {_FAILED}
""")  # noqa: S608
_REFUSE = text(f"""
UPDATE batch_rows SET error = CAST(:error AS jsonb)
WHERE {_FAILED} AND jsonb_exists_any(submission -> 'files', CAST(:gone AS text[]))
""")  # noqa: S608
_RETRY = text(f"""
WITH retried AS (
    UPDATE batch_rows SET job_id = NULL, error = NULL, tries = tries + 1,
        submission = CASE WHEN job_id IS NULL THEN submission
            ELSE submission || jsonb_build_object('retry_of', job_id) END
    WHERE {_FAILED} AND NOT jsonb_exists_any(submission -> 'files', CAST(:gone AS text[]))
    RETURNING number
)
SELECT count(*) FROM retried
""")  # noqa: S608
_EXPIRED = {
    "code": ErrorCode.INPUTS_EXPIRED,
    "detail": "The files of the row are no longer stored. Send it again with new files.",
    "retryable": False,
    "field": None,
}


@dataclass(frozen=True)
class NewBatch:
    """A checked request for a batch."""

    account: str
    rows: Sequence[NewRow]
    body_hash: str
    idempotency_key: str | None = None


@dataclass
class Counts:
    """The rows of a batch by status: those of `jobs.states.State`, `waiting` and `deleted`."""

    by_status: dict[str, int] = field(default_factory=dict)
    by_code: dict[str, int] = field(default_factory=dict)
    """Failed rows by the code of their error."""
    unfinished: dict[str, int] = field(default_factory=dict)
    """Rows that have not ended, by model."""
    waiting: dict[str, int] = field(default_factory=dict)
    """Rows that are no job yet, by model."""


def store(session: Session, new: NewBatch) -> tuple[Batch, bool]:
    """Store a batch, or find the one that the same Idempotency-Key created: (batch, replayed).

    Raises `RequestError`: idempotency_mismatch; file_not_found if a file of a row was deleted since
    the row was checked. A concurrent request with the same key waits.
    """
    batch_id = new_batch_id()
    stored = session.scalar(
        insert(Batch)
        .values(
            id=batch_id,
            account=new.account,
            idempotency_key=new.idempotency_key,
            body_hash=new.body_hash,
            rows=len(new.rows),
        )
        .on_conflict_do_nothing(index_elements=["account", "idempotency_key"])
        .returning(Batch)
    )
    if stored is None:
        found = find_replayed(session, new.account, new.idempotency_key or "", new.body_hash)
        if found is None:
            raise RuntimeError("a batch with this key exists, and is not found")
        return found, True
    for begin in range(0, len(new.rows), ROWS_PER_STATEMENT):
        rows = [row.record() for row in new.rows[begin : begin + ROWS_PER_STATEMENT]]
        session.execute(_INSERT_ROWS, {"batch_id": batch_id, "rows": json.dumps(rows)})
    _require_files(session, stored, new.rows)
    return stored, False


def _require_files(session: Session, batch: Batch, rows: Sequence[NewRow]) -> None:
    """Lock the files of the rows, and require them: last, so that deletions wait for less."""
    files = {file for row in rows for file in row.files}
    if not files:
        return
    file_locks.lock_for_batch(session, batch.account)
    gone = expiry.gone(session, files, new_batch=batch.id)
    for row in rows if gone else ():
        for name, value in row.submission.input.items():
            if isinstance(value, str) and value in gone:
                pointer, error = f"/{row.number}/input/{name}", file_not_found(name)
                raise replace(error, errors=(FieldError(pointer, error.errors[0].message),))


def find_replayed(session: Session, account: str, key: str, body_hash: str) -> Batch | None:
    """The batch that this Idempotency-Key created. Raises `RequestError` for another body."""
    found: Batch | None = session.scalar(
        select(Batch).where(Batch.account == account, Batch.idempotency_key == key)
    )
    if found is not None and found.body_hash != body_hash:
        raise RequestError(
            ErrorCode.IDEMPOTENCY_MISMATCH,
            "This Idempotency-Key was used with a different body. Use a new key for a new batch.",
        )
    return found


def find(session: Session, account: str, batch_id: str) -> Batch:
    """One batch of this account. Raises `RequestError` (batch_not_found) for any other id."""
    batch: Batch | None = session.get(Batch, batch_id) if is_id(batch_id, "batch") else None
    if batch is None or batch.account != account:
        raise RequestError(ErrorCode.BATCH_NOT_FOUND, "No batch of yours has this id.")
    return batch


def page(session: Session, account: str, *, before: str | None, limit: int) -> list[Batch]:
    """Batches of this account, newest first, older than the id `before`."""
    query = select(Batch).where(Batch.account == account).order_by(Batch.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Batch.id < before)
    return list(session.scalars(query))


def count(session: Session, batch_id: str) -> Counts:
    """Count the rows of a batch: one statement."""
    counts = Counts()
    for row in session.execute(_COUNTS, {"batch_id": batch_id}):
        _add(counts.by_status, row.status, row.rows)
        if row.status == "failed":
            _add(counts.by_code, row.code, row.rows)
        if row.status in {"waiting", "queued", "running"}:
            _add(counts.unfinished, row.model, row.rows)
        if row.status == "waiting":
            _add(counts.waiting, row.model, row.rows)
    return counts


@dataclass(frozen=True)
class RowState:
    """A row, and what became of it."""

    number: int
    key: str | None
    model: str
    tries: int
    status: str
    job_id: str | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    expired: bool
    """Whether its result was deleted at the end of its retention time."""


def row_page(
    session: Session, batch_id: str, *, after: int = 0, status: str | None = None, limit: int
) -> list[RowState]:
    """Rows of a batch in order, with numbers above `after`."""
    values = {"batch_id": batch_id, "after": after, "status": status, "limit": limit}
    return [
        RowState(
            number=row.number,
            key=row.key,
            model=row.model,
            tries=row.tries,
            status=row.status,
            job_id=row.job_id,
            result=row.result,
            error=row.error,
            expired=row.expired_at is not None,
        )
        for row in session.execute(_PAGE, values)
    ]


def retry_failed(session: Session, batch_id: str) -> int:
    """Let all failed rows wait for a new job. Returns how many; a failed job is retried once.

    Rows whose files have expired stay failed (inputs_expired).
    """
    account = lock(session, batch_id)
    if account is None:
        return 0
    batch = {"batch_id": batch_id}
    files = session.scalars(_FILES_OF_FAILED, batch).all()
    if files:
        file_locks.lock_for_batch(session, account)
    gone = batch | {"gone": list(expiry.gone(session, files))}
    session.execute(_REFUSE, gone | {"error": json.dumps(_EXPIRED)})
    retried: int = session.execute(_RETRY, gone).scalar_one()
    if retried:
        session.execute(update(Batch).where(Batch.id == batch_id).values(fed_at=None))
    return retried


def cancel_waiting(session: Session, batch_id: str) -> None:
    """Cancel the rows that are no jobs yet, so that none becomes one."""
    lock(session, batch_id)
    session.execute(
        update(BatchRow)
        .where(
            BatchRow.batch_id == batch_id,
            BatchRow.job_id.is_(None),
            BatchRow.error.is_(None),
            BatchRow.canceled_at.is_(None),
        )
        .values(canceled_at=func.now())
    )
    session.execute(
        update(Batch)
        .where(Batch.id == batch_id)
        .values(
            canceled_at=func.coalesce(Batch.canceled_at, func.now()),
            fed_at=func.coalesce(Batch.fed_at, func.now()),
        )
    )


def lock(session: Session, batch_id: str) -> str | None:
    """Wait for a concurrent change of the batch, and exclude further ones until the commit.

    Returns its account. None: it was erased.
    """
    account: str | None = session.scalar(
        select(Batch.account).where(Batch.id == batch_id).with_for_update()
    )
    return account


def _add(counts: dict[str, int], name: str, rows: int) -> None:
    counts[name] = counts.get(name, 0) + rows
