"""Samples of metrics: what the statements that end jobs insert beside their other changes."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class LossReason(StrEnum):
    """How it was noticed that an attempt lost its worker."""

    CHILD_DIED = "child_died"  #: the worker's parent saw that its child had died
    LEASE_EXPIRED = "lease_expired"  #: the worker, its machine or the network were silent


_COLUMNS: Final = {
    "model": "model",
    "priority": "priority",
    "state": "nullif(state, 'queued')",
    "code": "CASE state WHEN 'failed' THEN error ->> 'code' END",
}
"""Columns of `metric_samples` and how they follow from a row of jobs after its change."""


def insert_samples(source: str, **expressions: str) -> str:
    """SQL that inserts a sample for each row of `source`, in which jobs have changed already.

    `expressions` are the columns that differ from those of a job, or that only an attempt has.
    """
    columns = _COLUMNS | expressions
    return (
        f"INSERT INTO metric_samples ({', '.join(columns)})\n"
        f"SELECT {', '.join(columns.values())} FROM {source}"
    )


def seconds_between(begin: str, end: str) -> str:
    """SQL: the seconds between two times; NULL if one of them is."""
    return f"extract(epoch FROM {end} - {begin})"


INSERT_OF_ATTEMPT: Final = insert_samples(
    "ended",
    outcome="outcome",
    wait_seconds=f"CASE :attempt WHEN 1 THEN {seconds_between('created_at', 'started_at')} END",
    run_seconds="(SELECT seconds FROM ended_attempt)",
    cancel_seconds="CASE state WHEN 'canceled' THEN "
    f"{seconds_between('cancel_requested_at', 'now()')} END",
    video_seconds="CAST(CAST(:result AS jsonb) ->> 'duration_seconds' AS float8)",
    figures="CAST(:figures AS jsonb)",
)
"""For the statement that ends an attempt: after its CTEs `ended` (the job) and `ended_attempt`."""
