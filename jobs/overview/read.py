"""Read the overview from the record: five statements, whatever the number of queues and jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from jobs.fleet.worker_registry import (
    LIVENESS_WINDOW,
    WeightsState,
    WeightsStatus,
    all_failed,
)
from jobs.fleet.worker_resources import WorkerResources
from jobs.maintenance_beats import SILENT_SECONDS
from jobs.overview.overview import (
    FailureOverview,
    Overview,
    QueueOverview,
    RunningJob,
    WebhooksOverview,
    WorkerOverview,
)
from jobs.queue.admission import queue_refusal
from jobs.queue.estimate import SAMPLE_SIZE, QueueLoad
from runtime.metrics.api import WEBHOOKS_GIVEN_UP

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from jobs.queue.admission import Limits

ROWS: Final = 200
"""Most rows of each list."""
COUNT_TO: Final = 200_000
"""More active jobs than these are not looked at."""

_QUEUES = text("""
WITH active AS MATERIALIZED (
    SELECT model, state, due_at, created_at FROM jobs
    WHERE state IN ('queued', 'running') LIMIT :count_to
), counted AS (
    SELECT model,
        count(*) FILTER (WHERE state = 'queued') AS waiting,
        count(*) FILTER (WHERE state = 'running') AS running,
        count(*) FILTER (WHERE state = 'queued' AND due_at IS NULL) AS held,
        extract(epoch FROM now() - min(created_at) FILTER (WHERE state = 'queued')) AS oldest
    FROM active GROUP BY model
), serving AS (
    SELECT jsonb_array_elements_text(models) AS model, count(*) AS workers FROM workers
    WHERE seen_at > now() - :live AND draining_until IS NULL AND drained_at IS NULL GROUP BY 1
), shown AS (
    SELECT model, coalesce(waiting, 0) AS waiting, coalesce(running, 0) AS running,
        coalesce(held, 0) AS held, oldest, coalesce(workers, 0) AS workers,
        paused_at IS NOT NULL AS paused, count(*) OVER () AS total
    FROM counted FULL JOIN serving USING (model) FULL JOIN paused_queues USING (model)
    ORDER BY waiting DESC, running DESC, model LIMIT :rows
)
SELECT shown.*, durations.p50 FROM shown LEFT JOIN LATERAL (
    SELECT percentile_cont(0.5)
        WITHIN GROUP (ORDER BY extract(epoch FROM attempts.ended_at - attempts.started_at)) AS p50
    FROM (
        SELECT id, attempt FROM jobs WHERE jobs.model = shown.model AND state = 'succeeded'
        ORDER BY ended_at DESC LIMIT :sample
    ) AS last JOIN attempts ON job_id = last.id AND number = last.attempt
) AS durations ON shown.waiting > 0
ORDER BY shown.waiting DESC, shown.running DESC, shown.model
""")
_WORKERS = text("""
SELECT name, weights, resources,
    draining_until IS NOT NULL AS draining, drained_at IS NOT NULL AS drained,
    seen_at > now() - :live AS live, extract(epoch FROM now() - seen_at) AS seen_seconds,
    count(*) OVER () AS total
FROM workers ORDER BY seen_at > now() - :live, name LIMIT :rows
""")
_RUNNING = text("""
SELECT jobs.id, jobs.model, jobs.account, jobs.attempt, jobs.phase, jobs.progress,
    attempts.worker, extract(epoch FROM now() - attempts.started_at) AS seconds,
    count(*) OVER () AS total
FROM jobs JOIN attempts ON attempts.job_id = jobs.id AND attempts.number = jobs.attempt
WHERE jobs.state = 'running' ORDER BY attempts.started_at, jobs.id LIMIT :rows
""")
_FAILURES = text("""
SELECT error ->> 'code' AS code, model, count(*) AS jobs,
    extract(epoch FROM now() - max(ended_at)) AS last_seconds
FROM jobs WHERE state = 'failed' AND ended_at > now() - interval '1 hour'
GROUP BY 1, 2 ORDER BY jobs DESC, code, model LIMIT :rows
""")
_REST = text(f"""
SELECT clock_timestamp() AS at, count(*) AS pending,
    count(*) FILTER (WHERE attempts > 0) AS failing,
    greatest(0, coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0)) AS overdue_seconds,
    (SELECT coalesce(sum(count), 0) FROM metric_totals WHERE name = :given_up) AS given_up,
    ({SILENT_SECONDS}) AS silent,
    EXISTS (SELECT 1 FROM maintenance_mode) AS refused
FROM (
    SELECT attempts, next_attempt_at FROM webhooks WHERE next_attempt_at IS NOT NULL LIMIT 100000
) AS pending
""")  # noqa: S608 - constants


def read_overview(session: Session, limits: Limits | None = None) -> Overview:
    """The overview, without the broker and without alerts. `limits` say when a queue is full."""
    values = {"rows": ROWS, "live": LIVENESS_WINDOW}
    counted = values | {"count_to": COUNT_TO, "sample": SAMPLE_SIZE}
    queues = session.execute(_QUEUES, counted).all()
    workers = session.execute(_WORKERS, values).all()
    running = session.execute(_RUNNING, {"rows": ROWS}).all()
    failures = session.execute(_FAILURES, {"rows": ROWS}).all()
    rest = session.execute(_REST, {"given_up": WEBHOOKS_GIVEN_UP.name}).one()
    jobs = {row.worker: row.id for row in running}
    return Overview(
        at=rest.at,
        queues=[_queue(row, limits) for row in queues],
        queues_total=_total(queues),
        workers=[_worker(row, jobs.get(row.name)) for row in workers],
        workers_total=_total(workers),
        running=[_running(row) for row in running],
        running_total=_total(running),
        failures=[FailureOverview.model_validate(row._mapping) for row in failures],
        webhooks=WebhooksOverview(
            pending=rest.pending,
            failing=rest.failing,
            overdue_seconds=rest.overdue_seconds,
            given_up=int(rest.given_up),
        ),
        maintenance_silent_seconds=rest.silent,
        submissions_refused=rest.refused,
    )


def _total(rows: Any) -> int:
    return rows[0].total if rows else 0


def _queue(row: Row[Any], limits: Limits | None) -> QueueOverview:
    known = row.p50 is not None or not row.waiting
    wait = row.waiting * float(row.p50 or 0) / max(row.workers, 1) if known else None
    load = QueueLoad(row.waiting, row.workers, wait)
    return QueueOverview(
        model=row.model,
        waiting=row.waiting,
        running=row.running,
        held=row.held,
        oldest_seconds=row.oldest,
        eta_seconds=None if row.paused else wait,
        workers=row.workers,
        paused=row.paused,
        full=limits is not None and queue_refusal(load, limits) is not None,
    )


def _worker(row: Row[Any], job: str | None) -> WorkerOverview:
    weights = {model: WeightsStatus.model_validate(status) for model, status in row.weights.items()}
    resources = WorkerResources.model_validate(row.resources)
    return WorkerOverview(
        name=row.name,
        state=_state(row, job, all_failed(weights)),
        seen_seconds=row.seen_seconds,
        loaded=[model for model, one in weights.items() if one.state is WeightsState.LOADED],
        failed={
            model: one.detail or ""
            for model, one in weights.items()
            if one.state is WeightsState.FAILED
        },
        volumes=resources.volumes,
        gpus=resources.gpus,
        job=job,
    )


def _state(row: Row[Any], job: str | None, failed: bool) -> Any:
    if not row.live:
        return "silent"
    if row.draining:
        return "draining"
    if row.drained:
        return "drained"
    if job is not None:
        return "busy"
    return "failed" if failed else "ready"


def _running(row: Row[Any]) -> RunningJob:
    progress = row.progress or {}
    return RunningJob(
        id=row.id,
        model=row.model,
        account=row.account,
        worker=row.worker,
        attempt=row.attempt,
        phase=row.phase,
        percent=progress.get("percent"),
        eta_seconds=progress.get("eta_seconds"),
        seconds=row.seconds,
    )
