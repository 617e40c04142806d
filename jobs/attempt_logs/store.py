"""Write and read the logs of attempts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from jobs.attempt_logs.tables import AttemptLog
from jobs.tables import Attempt

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class LogLines:
    """The lines of an attempt, as they are stored."""

    dropped: int
    """Older lines that are not among them."""
    lines: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class StoredLog:
    """The log of an attempt, and how the attempt went."""

    attempt: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    dropped: int
    lines: list[dict[str, Any]]


def insert_from(rows: str) -> str:
    """The INSERT of a log for a job of a CTE `rows` (`id`); nothing if `:log_lines` is null."""
    return f"""
    INSERT INTO attempt_logs (job_id, attempt, dropped, lines)
    SELECT id, CAST(:attempt AS integer), CAST(:log_dropped AS integer),
        CAST(:log_lines AS jsonb)
    FROM {rows} WHERE CAST(:log_lines AS jsonb) IS NOT NULL
    ON CONFLICT (job_id, attempt) DO UPDATE
    SET dropped = excluded.dropped, lines = excluded.lines"""  # noqa: S608 - a constant


def parameters(log: LogLines | None) -> dict[str, Any]:
    """The parameters of `insert_from`, beside `attempt`."""
    if log is None:
        return {"log_dropped": None, "log_lines": None}
    return {"log_dropped": log.dropped, "log_lines": json.dumps(log.lines)}


def of_job(session: Session, job_id: str, attempt: int | None = None) -> list[StoredLog]:
    """The logs of all attempts of a job, or of one, in order."""
    query = (
        select(Attempt, AttemptLog)
        .outerjoin(
            AttemptLog,
            (AttemptLog.job_id == Attempt.job_id) & (AttemptLog.attempt == Attempt.number),
        )
        .where(Attempt.job_id == job_id)
        .order_by(Attempt.number)
    )
    if attempt is not None:
        query = query.where(Attempt.number == attempt)
    return [_stored(*row) for row in session.execute(query)]


def _stored(attempt: Attempt, log: AttemptLog | None) -> StoredLog:
    return StoredLog(
        attempt=attempt.number,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        outcome=attempt.outcome,
        dropped=log.dropped if log is not None else 0,
        lines=log.lines if log is not None else [],
    )
