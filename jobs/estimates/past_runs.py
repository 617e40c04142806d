"""The last successful runs of a model: how long each held its worker, and for which input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.queue.estimate import SAMPLE_SIZE

if TYPE_CHECKING:
    from runtime.async_database import Connection

_PAST_RUNS = """
SELECT extract(epoch FROM attempts.ended_at - attempts.started_at)::float8,
    last.input, last.seconds
FROM (
    SELECT id, attempt, input, (result ->> 'duration_seconds')::float8 AS seconds FROM jobs
    WHERE model = %s AND state = 'succeeded'
    ORDER BY ended_at DESC LIMIT %s
) AS last JOIN attempts ON job_id = last.id AND number = last.attempt
"""


@dataclass(frozen=True)
class PastRun:
    """A successful attempt."""

    seconds: float
    """From claim to publication: how long a worker was held."""
    input: dict[str, Any]
    """As the job has stored it."""
    result_seconds: float | None
    """Length of the result; None for a picture."""


async def past_runs(connection: Connection, model: str) -> list[PastRun]:
    """The last `SAMPLE_SIZE` successful runs of a model, of all accounts. One statement."""
    cursor = await connection.execute(_PAST_RUNS, (model, SAMPLE_SIZE))
    return [PastRun(*row) for row in await cursor.fetchall()]
