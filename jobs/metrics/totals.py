"""Totals of metrics: maintenance adds the samples up, and a scrape reads both together.

So counters never fall, no two ends of jobs wait for one row, and what has just ended is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from jobs.metrics.tables import MetricTotal
from runtime.metrics import api as metrics
from runtime.metrics.metric import Kind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from runtime.async_database import Connection
    from runtime.metrics.metric import Metric

BATCH: Final = 5000
"""Samples that one transaction adds up."""


class Total(NamedTuple):
    """A row of `metric_totals`, with the samples that were not added up yet."""

    name: str
    model: str
    label: str
    le: float
    number: int
    """How often it was counted, or observed in this bucket."""
    sum: float


_COUNTED: Final = (
    (metrics.JOBS_ENDED, "state"),
    (metrics.JOBS_FAILED, "code"),
    (metrics.ATTEMPTS_LOST, "reason"),
)
"""Counters, and the column that is their label; NULL: the sample does not count."""
_OBSERVED: Final = (
    (metrics.WAIT, "priority::text", "wait_seconds"),
    (metrics.RUN, "outcome", "run_seconds"),
    (metrics.STEP, "''", "(figures ->> 'step_seconds')::float8"),
    (metrics.CANCEL_LATENCY, "''", "cancel_seconds"),
    (
        metrics.REALTIME_FACTOR,
        "''",
        "CASE WHEN outcome = 'succeeded' THEN run_seconds / nullif(video_seconds, 0) END",
    ),
)
"""Histograms, their label, and what is observed; NULL: nothing."""


def _counted(source: str) -> list[str]:
    return [
        f"SELECT '{metric.name}', model, {label}, NULL::float8 FROM {source} "  # noqa: S608
        f"WHERE {label} IS NOT NULL"
        for metric, label in _COUNTED
    ]


def _observed(source: str) -> list[str]:
    phases = (
        f"SELECT '{metrics.PHASE.name}', model, phase.key, phase.value::float8 "  # noqa: S608
        f"FROM {source}, jsonb_each_text(figures -> 'phases') AS phase"
    )
    return [phases] + [
        f"SELECT '{metric.name}', model, {label}, {value} FROM {source} "  # noqa: S608
        f"WHERE {value} IS NOT NULL"
        for metric, label, value in _OBSERVED
    ]


def _bounds() -> str:
    """Rows of the histograms and their buckets."""
    described = [metrics.PHASE, *(metric for metric, _, _ in _OBSERVED)]
    return ", ".join(
        f"('{each.name}', ARRAY[{', '.join(map(str, each.buckets))}]::float8[])"
        for each in described
    )


def _added_up(source: str) -> str:
    """SQL: rows as those of `metric_totals`, from samples."""
    seen = "\nUNION ALL ".join([*_counted(source), *_observed(source)])
    return f"""
SELECT name, model, label, coalesce(
        (SELECT min(bound) FROM unnest(bounds) AS bound WHERE bound >= value), 'infinity'
    ) AS le, count(*) AS count, coalesce(sum(value), 0) AS sum
FROM ({seen}) AS seen (name, model, label, value)
LEFT JOIN (VALUES {_bounds()}) AS buckets (name, bounds) USING (name)
GROUP BY 1, 2, 3, 4"""  # noqa: S608 - constants


_FOLD = text(f"""
WITH taken AS (
    DELETE FROM metric_samples WHERE id IN (
        SELECT id FROM metric_samples ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING *
), added AS (
    INSERT INTO metric_totals (name, model, label, le, count, sum)
    {_added_up("taken")} ORDER BY 1, 2, 3, 4
    ON CONFLICT (name, model, label, le) DO UPDATE SET
        count = metric_totals.count + excluded.count, sum = metric_totals.sum + excluded.sum
)
SELECT count(*) FROM taken
""")  # noqa: S608 - constants
_READ = f"""
SELECT name, model, label, le, sum(count)::bigint, sum(sum) FROM (
    SELECT name, model, label, le, count, sum FROM metric_totals
    UNION ALL {_added_up("metric_samples")}
) AS everything GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""  # noqa: S608 - constants


def fold(session: Session, *, limit: int = BATCH) -> int:
    """Add up to `limit` samples to the totals, and return how many. Several may run at once."""
    added: int = session.scalar(_FOLD, {"limit": limit}) or 0
    return added


def count(session: Session, metric: Metric, number: int = 1, *, label: str = "") -> None:
    """Add to a counter of something rare: transactions that do it wait for each other."""
    if metric.kind is not Kind.COUNTER:
        raise ValueError(f"{metric.name} is no counter")
    if number:
        row = insert(MetricTotal).values(
            name=metric.name, model="", label=label, le=float("inf"), count=number, sum=0.0
        )
        more = {"count": MetricTotal.count + row.excluded.count}
        key = [MetricTotal.name, MetricTotal.model, MetricTotal.label, MetricTotal.le]
        session.execute(row.on_conflict_do_update(index_elements=key, set_=more))


async def read_totals(connection: Connection) -> list[Total]:
    """All totals of this moment: one statement."""
    return [Total(*row) for row in await (await connection.execute(_READ)).fetchall()]
