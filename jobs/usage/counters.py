"""Count what jobs used, in the transaction of what is counted. The caller commits.

Rows are locked in one order, and before the advisory locks of `jobs.account_concurrency`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from jobs.metrics.samples import insert_samples, seconds_between

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from jobs.metrics.samples import LossReason

TODAY: Final = "CAST(now() AT TIME ZONE 'utc' AS date)"
SLOT: Final = "1 + ascii(right({id}, 1)) % 8"
"""The row of a job's ends among those of its account, day and model."""
_COUNTERS: Final = (
    "submitted", "requeued", "succeeded", "failed", "canceled", "gpu_seconds", "result_bytes"
)  # fmt: skip


def add_to_usage(*counters: str) -> str:
    """The head and the conflict clause of an INSERT of these counters, around `{rows}`."""
    unknown = set(counters) - set(_COUNTERS)
    if unknown:
        raise ValueError(f"no counters of usage_days: {unknown}")
    changes = ", ".join(f"{name} = usage_days.{name} + excluded.{name}" for name in counters)
    return (
        f"INSERT INTO usage_days (account, day, model, slot, {', '.join(counters)})\n{{rows}}\n"
        f"ON CONFLICT (account, day, model, slot) DO UPDATE SET {changes}"
    )


_ENDED = """jobs LEFT JOIN attempts
    ON attempts.job_id = jobs.id AND attempts.number = jobs.attempt AND :attempts
WHERE jobs.id = ANY(:ids)"""
_USED = add_to_usage("failed", "canceled", "gpu_seconds").format(
    rows=f"""
SELECT account, {TODAY}, model, {SLOT.format(id="jobs.id")},
    count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = 'canceled'),
    coalesce(sum(extract(epoch FROM attempts.ended_at - attempts.started_at)), 0)
FROM {_ENDED}
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""  # noqa: S608 - constants
)
_SAMPLED = insert_samples(
    _ENDED,
    code="CASE state WHEN 'failed' THEN jobs.error ->> 'code' END",
    outcome="attempts.outcome",
    reason="CASE attempts.outcome WHEN 'lost' THEN CAST(:reasons AS jsonb) ->> jobs.id END",
    wait_seconds="CASE attempts.number WHEN 1 THEN "
    f"{seconds_between('jobs.created_at', 'jobs.started_at')} END",
    run_seconds=seconds_between("attempts.started_at", "attempts.ended_at"),
    cancel_seconds="CASE state WHEN 'canceled' THEN "
    f"{seconds_between('jobs.cancel_requested_at', 'attempts.ended_at')} END",
)
_ENDS = text(f"WITH used AS ({_USED})\n{_SAMPLED}")
_REQUEUED = text(
    add_to_usage("requeued").format(
        rows=f"""
SELECT account, {TODAY}, model, {SLOT.format(id="jobs.id")}, count(*)
FROM jobs WHERE jobs.id = ANY(:ids)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""  # noqa: S608 - constants
    )
)


def count_ends(session: Session | Connection, job_ids: Collection[str]) -> None:
    """Count jobs that have failed or were canceled now, and that no worker was running.

    Ends that workers report are counted by their own statement, in `jobs.lease`.
    """
    if job_ids:
        session.execute(_ENDS, {"ids": list(job_ids), "attempts": False, "reasons": "{}"})


def count_losses(session: Session | Connection, reasons: Mapping[str, LossReason]) -> None:
    """Count attempts that were lost now, by the id of their job, and jobs that ended with them."""
    if reasons:
        values = {"ids": list(reasons), "attempts": True, "reasons": json.dumps(reasons)}
        session.execute(_ENDS, values)


def count_requeued(session: Session | Connection, job_ids: Collection[str]) -> None:
    """Count jobs that an operator created from failed ones."""
    if job_ids:
        session.execute(_REQUEUED, {"ids": list(job_ids)})
