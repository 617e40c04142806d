"""Figures for Prometheus."""

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from api.deps import SessionDep, ShopDep
from api.errors.problems import problem_responses
from jobs.errors import ErrorCode, RequestError
from jobs.queue import estimate

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response, responses=problem_responses(404, 503))
def metrics(shop: ShopDep, session: SessionDep) -> Response:
    """What waits and what runs, for Prometheus. 404 unless `KINOMILL_METRICS` asks for it."""
    if not shop.settings.metrics:
        detail = "Set KINOMILL_METRICS=true to have figures here."
        raise RequestError(ErrorCode.NOT_FOUND, detail)
    registry = CollectorRegistry()
    waiting = _gauge(registry, "queue_waiting", "Jobs that wait, counted to 10,000.")
    workers = _gauge(registry, "queue_workers", "Workers that take jobs of the model.")
    seconds = _gauge(registry, "queue_wait_seconds", "How long a new job would wait.")
    running = _gauge(registry, "jobs_running", "Jobs that a worker has.")
    at_work = estimate.running_by_model(session)
    for name, card in shop.offer.cards.items():
        load = estimate.queue_load(session, card.queue, name)
        waiting.labels(name).set(load.waiting)
        workers.labels(name).set(load.workers)
        running.labels(name).set(at_work.get(name, 0))
        if load.wait_seconds is not None:
            seconds.labels(name).set(load.wait_seconds)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _gauge(registry: CollectorRegistry, name: str, told: str) -> Any:
    return Gauge(f"kinomill_{name}", told, ["model"], registry=registry)
