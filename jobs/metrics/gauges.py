"""Gauges of the record: jobs that wait, workers by state, webhooks. One statement for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.fleet.worker_registry import LIVENESS_WINDOW, MAX_WORKERS
from jobs.fleet.worker_resources import WorkerResources
from jobs.states import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.async_database import Connection

MAX_WEBHOOKS: Final = 100_000
"""More pending messages are not counted."""
WORKER_STATES: Final = ("ready", "preparing", "failed", "draining", "drained", "silent")
"""`ready` consumes the model's queue; `preparing` serves the model, but does not yet; `failed`
could not load it."""

_WAITING = """
SELECT asked.model, priority, (SELECT count(*) FROM (
    SELECT FROM jobs
    WHERE jobs.queue = asked.queue AND state = 'queued' AND jobs.priority = ranks.priority
    LIMIT %(count_to)s
) AS first)
FROM unnest(%(models)s::text[], %(queues)s::text[]) AS asked (model, queue),
    unnest(%(priorities)s::smallint[]) AS ranks (priority)
"""
_WORKERS = """
SELECT model, state, count(*) FROM workers,
    LATERAL (
        SELECT jsonb_array_elements_text(models) UNION SELECT jsonb_object_keys(weights)
    ) AS served (model),
    LATERAL (
        SELECT CASE
            WHEN seen_at <= now() - %(live)s THEN 'silent'
            WHEN draining_until IS NOT NULL THEN 'draining'
            WHEN drained_at IS NOT NULL THEN 'drained'
            WHEN weights -> model ->> 'state' = 'failed' THEN 'failed'
            WHEN models ? model THEN 'ready'
            ELSE 'preparing'
        END AS state
    ) AS current
GROUP BY 1, 2
"""
_RESOURCES = """
SELECT name, resources FROM workers WHERE seen_at > now() - %(live)s ORDER BY name LIMIT %(limit)s
"""
_WEBHOOKS = """
SELECT count(*) FROM (
    SELECT FROM webhooks WHERE next_attempt_at IS NOT NULL LIMIT %(limit)s
) AS pending
"""


@dataclass(frozen=True)
class RecordGauges:
    """The gauges at one moment."""

    waiting: dict[tuple[str, Priority], int]
    """Queued jobs by model and priority."""
    workers: dict[tuple[str, str], int]
    """Workers by model and state."""
    resources: dict[str, WorkerResources]
    """What live workers have left, by name."""
    webhooks_pending: int


async def read_gauges(
    connection: Connection, queues: Mapping[str, str], *, count_to: int
) -> RecordGauges:
    """Read the gauges of the queues of these models (queue by model), counted to `count_to`."""
    asked = {
        "models": list(queues),
        "queues": list(queues.values()),
        "priorities": [priority.value for priority in Priority],
        "count_to": count_to,
    }
    waiting = await (await connection.execute(_WAITING, asked)).fetchall()
    workers = await (await connection.execute(_WORKERS, {"live": LIVENESS_WINDOW})).fetchall()
    live = {"live": LIVENESS_WINDOW, "limit": MAX_WORKERS}
    resources = await (await connection.execute(_RESOURCES, live)).fetchall()
    webhooks = await (await connection.execute(_WEBHOOKS, {"limit": MAX_WEBHOOKS})).fetchall()
    return RecordGauges(
        {(model, Priority(priority)): jobs for model, priority, jobs in waiting},
        {(model, state): number for model, state, number in workers},
        {name: WorkerResources.model_validate(found) for name, found in resources},
        webhooks[0][0],
    )
