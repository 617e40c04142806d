"""Metrics for Prometheus."""

from math import inf
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response

from api.context.deps import ContextDep
from api.errors.problems import FROM_PAGES, WITH_DATABASE, problem_responses
from jobs.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses=problem_responses({404: [ErrorCode.NOT_FOUND]}, FROM_PAGES, WITH_DATABASE),
)
async def metrics(context: ContextDep) -> Response:
    """Queues and running jobs by model, for Prometheus. 404 unless KINOMILL_METRICS is true."""
    if not context.settings.metrics:
        detail = "Metrics are off. Set KINOMILL_METRICS=true to enable them."
        raise RequestError(ErrorCode.NOT_FOUND, detail)
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    waiting = _gauge(
        registry, "queue_waiting", "Queued jobs, counted up to the limit of the server."
    )
    workers = _gauge(registry, "queue_workers", "Workers that take jobs of the model.")
    seconds = _gauge(registry, "queue_wait_seconds", "Estimated wait of a new job.")
    running = _gauge(registry, "jobs_running", "Jobs that a worker is running.")
    for name, state in (await context.queues.get()).items():
        load = state.load
        waiting.labels(name).set(load.waiting)
        workers.labels(name).set(load.workers)
        running.labels(name).set(state.running)
        if load.wait_seconds is not None:
            seconds.labels(name).set(load.wait_seconds)
    await _add_maintenance(registry, context)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _add_maintenance(registry: "CollectorRegistry", context: ContextDep) -> None:
    from prometheus_client import Gauge

    silent = Gauge(
        "kinomill_maintenance_silent_seconds",
        "Since the last beat of a maintenance program; infinite if there was none in an hour.",
        registry=registry,
    )
    seconds = (await context.statements.database_state()).silent_seconds
    silent.set(inf if seconds is None else seconds)


def _gauge(registry: "CollectorRegistry", name: str, description: str) -> Any:
    from prometheus_client import Gauge

    return Gauge(f"kinomill_{name}", description, ["model"], registry=registry)
