"""Rows of batches become jobs as their account and their queue have room.

A batch may have ten times as many rows as its account may have jobs, and must not fill a queue for
others. So its rows wait in `batch_rows`, and maintenance submits them in chunks, as a caller would.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError

from jobs.batches.row_spans import RowSpans
from jobs.batches.rows import job_key, restored
from jobs.batches.tables import Batch
from jobs.errors import ErrorCode, RequestError
from jobs.queue.active_counts import ActiveCounts
from jobs.queue.admission import queue_refusal
from jobs.queue.snapshot import read_loads
from jobs.queue.submission import MAX_ROUNDS, Accepted, Submission, SubmissionBatch
from jobs.queue.submission_sql import INSERT
from runtime.traces import tracing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from jobs.queue.admission import Limits
    from runtime.database import SessionFactory

CHUNK = 250
"""Rows that one transaction submits. It locks their account for about 100 ms."""
MAX_CHUNKS = 4
"""Chunks of an account in one round, so that the next acts of maintenance need not wait."""
SHARE = 0.5
"""Of the limits on an account's jobs and on a queue, how much batches fill: the rest stays free for
single jobs, whose callers wait."""

_OPEN = text("""
SELECT DISTINCT ON (account) id, account FROM batches WHERE fed_at IS NULL ORDER BY account, id
""")
"""The oldest batch of each account that has rows to submit."""
_ACTIVE = text("""
SELECT count(*) FROM (
    SELECT FROM jobs WHERE account = :account AND state IN ('queued', 'running') LIMIT :up_to
) AS active
""")
_WAITING = text("""
SELECT number, key, tries, submission FROM batch_rows
WHERE batch_id = :batch_id AND job_id IS NULL AND error IS NULL AND canceled_at IS NULL
ORDER BY number LIMIT :limit
""")
_SETTLE = text("""
UPDATE batch_rows SET job_id = settled.job_id, error = settled.error
FROM json_to_recordset(CAST(:rows AS json)) AS settled (number integer, job_id text, error jsonb)
WHERE batch_id = :batch_id AND batch_rows.number = settled.number
""")


def feed(sessions: SessionFactory, limits: Limits) -> int:
    """Submit waiting rows of all accounts, in turns. Returns how many became jobs.

    Several processes may run it: one feeds a batch at a time. The error of a batch, such as one
    that a later release has stored, is raised once the others are fed.
    """
    allowed = _share_of(limits)
    with sessions.begin() as session:
        open_batches = [(row.id, row.account) for row in session.execute(_OPEN)]
    total, errors = 0, list[Exception]()
    for _ in range(MAX_CHUNKS):
        more = []
        for batch_id, account in open_batches:
            try:
                with sessions.begin() as session:
                    submitted = _feed_chunk(session, batch_id, account, limits, allowed)
            except OperationalError:  # it would fail for each of them
                raise
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
                continue
            total += submitted
            if submitted == CHUNK:
                more.append((batch_id, account))
        open_batches = more
    if errors:
        raise errors[0]
    return total


def _share_of(limits: Limits) -> Limits:
    return replace(
        limits,
        active_per_account=max(1, int(limits.active_per_account * SHARE)),
        queue_length=max(1, int(limits.queue_length * SHARE)),
        queue_wait=limits.queue_wait * SHARE,
    )


def _feed_chunk(
    session: Session, batch_id: str, account: str, limits: Limits, allowed: Limits
) -> int:
    """Submit up to a chunk of a batch's rows; returns how many became jobs."""
    locked = select(Batch.id).where(Batch.id == batch_id, Batch.fed_at.is_(None))
    if session.scalar(locked.with_for_update(skip_locked=True)) is None:
        return 0
    up_to = allowed.active_per_account
    active = session.execute(_ACTIVE, {"account": account, "up_to": up_to}).scalar_one()
    room = min(CHUNK, up_to - active)
    if room <= 0:
        return 0
    rows = session.execute(_WAITING, {"batch_id": batch_id, "limit": room}).all()
    if not rows:
        session.execute(update(Batch).where(Batch.id == batch_id).values(fed_at=func.now()))
        return 0
    return _submit_rows(session, batch_id, account, _fitting(session, rows, allowed), limits)


def _fitting(session: Session, rows: Sequence[Row[Any]], allowed: Limits) -> list[Row[Any]]:
    """Those of these rows whose queue has room, in order."""
    queues = {row.submission["model"]: row.submission["queue"] for row in rows}
    loads = read_loads(session, queues, count_to=allowed.queue_length)
    fitting = []
    for row in rows:
        load = loads[row.submission["model"]]
        if queue_refusal(load, allowed) is None:
            fitting.append(row)
            loads[row.submission["model"]] = load.with_one_more()
    return fitting


def _submit_rows(
    session: Session, batch_id: str, account: str, rows: Sequence[Row[Any]], limits: Limits
) -> int:
    """Submit rows as the API submits jobs, and record their jobs and errors."""
    submissions = {
        row.number: restored(
            row.submission,
            account=account,
            key=job_key(batch_id, row.number, row.key, row.tries),
        )
        for row in rows
    }
    spans = RowSpans.begin(batch_id, submissions) if tracing.on() else None
    if spans is not None:
        submissions = spans.given_to(submissions)
    outcomes = _submit(session, list(submissions.values()), limits)
    settled = [
        record
        for number, outcome in zip(submissions, outcomes, strict=True)
        if (record := _settled(number, outcome)) is not None
    ]
    session.execute(_SETTLE, {"batch_id": batch_id, "rows": json.dumps(settled)})
    if spans is not None:
        spans.end(record["job_id"] for record in settled)
    return sum(record["job_id"] is not None for record in settled)


def _submit(
    session: Session, submissions: Sequence[Submission], limits: Limits
) -> list[Accepted | RequestError]:
    batch = SubmissionBatch(submissions, limits, ActiveCounts())
    connection = session.connection()
    for _ in range(MAX_ROUNDS):
        if not batch.unsettled:
            break
        result = connection.exec_driver_sql(INSERT, batch.parameters())
        batch.settle(tuple(row) for row in result)
    return batch.outcomes()


def _settled(number: int, outcome: Accepted | RequestError) -> dict[str, Any] | None:
    """The new state of a row. None: it goes on waiting."""
    if isinstance(outcome, Accepted):
        return {"number": number, "job_id": None if outcome.job is None else outcome.job.id}
    if outcome.retryable or outcome.code == ErrorCode.ACCOUNT_LIMIT:
        return None
    error = {"code": outcome.code, "detail": outcome.detail, "retryable": outcome.retryable}
    return {"number": number, "job_id": None, "error": error | {"field": _field(outcome)}}


def _field(error: RequestError) -> str | None:
    """The field of the input that an error names, as errors of jobs name it."""
    pointer = error.errors[0].pointer if error.errors else ""
    return pointer.removeprefix("/input/") if pointer.startswith("/input/") else None
