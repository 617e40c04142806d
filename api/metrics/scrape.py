"""Everything that one scrape of the API shows.

Without a database it shows the rest: a monitor must see that the process lives, and what is down.
"""

from __future__ import annotations

import asyncio
import time
from itertools import groupby
from math import inf
from typing import TYPE_CHECKING, Final

import psycopg
import structlog
from psycopg.errors import UndefinedTable
from sqlalchemy import QueuePool

from api.context.calls import STORAGE_ERRORS
from api.metrics.requests import RequestFigures
from jobs.errors import JOB_CODES
from jobs.metrics.gauges import WORKER_STATES, read_gauges
from jobs.metrics.samples import LossReason
from jobs.metrics.totals import read_totals
from jobs.queue.admission import queue_refusal
from jobs.states import Priority, State
from models.catalog import error_codes
from runtime.async_database import within_timeout
from runtime.metrics import api as metrics
from runtime.metrics.exposition import Figures
from runtime.metrics.metric import Kind, Source
from runtime.metrics.volumes import add_volumes
from runtime.postgres.connections import API_CALLS
from storage.local.store import LocalStorage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from api.context.app_context import AppContext
    from jobs.fleet.worker_resources import WorkerResources
    from jobs.metrics.gauges import RecordGauges
    from jobs.metrics.totals import Total
    from jobs.queue.admission import Limits
    from jobs.queue.snapshot import QueueState
    from models.spec import Card
    from runtime.metrics.metric import Metric

log = structlog.get_logger()

FRESH_SECONDS: Final = 1.0
"""Scrapes come every few seconds; nobody can make more work than this by asking more often."""
ANSWER_SECONDS: Final = 5.0
"""Database and broker count as down after this: a monitor waits 10 s for the whole scrape."""
_OUTCOMES: Final = (State.SUCCEEDED, State.FAILED, State.CANCELED)
_LABELS: Final = {metrics.WAIT: {str(each.value): each.name.lower() for each in Priority}}
"""How labels of totals are shown that the record writes otherwise."""
_OF_TOTALS: Final = {
    each.name: each
    for each in metrics.METRICS
    if each.source is Source.RECORD and each.kind is not Kind.GAUGE
}


class Scraper:
    """Reads the figures of one API process, at most once in `FRESH_SECONDS` for all scrapes."""

    def __init__(self) -> None:
        self.requests = RequestFigures()
        self._lock = asyncio.Lock()
        self._last = Figures()
        self._read_at = -inf

    async def figures(self, context: AppContext) -> Figures:
        """The figures of this moment, or of the last scrape if that has just been."""
        async with self._lock:
            if time.monotonic() - self._read_at >= FRESH_SECONDS:
                self._last = await self._read(context)
                self._read_at = time.monotonic()
            return self._last

    async def _read(self, context: AppContext) -> Figures:
        figures = Figures()
        broker_up, database_up = await asyncio.gather(
            context.broker_answers(), _add_record(figures, context)
        )
        figures.add(metrics.JOBS_WAITING_MAX, context.limits.queue_length)
        figures.add(metrics.BROKER_UP, broker_up)
        figures.add(metrics.DATABASE_UP, database_up)
        for model in context.models.cards:
            figures.add(metrics.SUBMISSIONS_REFUSED, context.refused[model], model)
        _add_connections(figures, context)
        _add_storage_errors(figures, context)
        add_volumes(figures, _folders(context))
        self.requests.add_to(figures)
        return figures


async def _add_record(figures: Figures, context: AppContext) -> bool:
    """Add what the database knows. False: it does not answer, and nothing was added."""
    queues = {name: card.queue for name, card in context.models.cards.items()}
    count_to = context.limits.queue_length
    shared = context.statements.shared
    try:
        async with within_timeout(ANSWER_SECONDS):
            states = await context.queues.get()
            gauges = await shared.run(lambda opened: read_gauges(opened, queues, count_to=count_to))
            totals = await shared.run(read_totals)
            silent = (await context.statements.database_state()).silent_seconds
    except (psycopg.OperationalError, UndefinedTable) as error:
        log.warning("metrics without those of the database", error=str(error))
        return False
    for model in queues:
        _add_queue(figures, model, states[model], context.limits)
    _add_gauges(figures, queues, gauges)
    figures.add(metrics.MAINTENANCE_SILENT, inf if silent is None else silent)
    _add_totals(figures, context.models.cards.values(), totals)
    return True


def _add_queue(figures: Figures, model: str, state: QueueState, limits: Limits) -> None:
    oldest = state.oldest
    age = 0.0 if oldest is None else max(time.time() - oldest, 0.0)
    figures.add(metrics.JOBS_RUNNING, state.running, model)
    figures.add(metrics.JOBS_HELD, state.held, model)
    figures.add(metrics.JOBS_DEMAND, state.demand, model)
    figures.add(metrics.OLDEST_WAITING, age, model)
    figures.add(metrics.QUEUE_PAUSED, state.pause is not None, model)
    figures.add(metrics.QUEUE_FULL, queue_refusal(state.load, limits) is not None, model)
    for percentile, run_seconds in (("50", state.p50_seconds), ("90", state.p90_seconds)):
        wait = state.wait_seconds(state.waiting, run_seconds)
        if wait is not None:
            figures.add(metrics.ESTIMATED_WAIT, wait, model, percentile)


def _add_gauges(figures: Figures, models: Iterable[str], gauges: RecordGauges) -> None:
    for model in models:
        for priority in Priority:
            waiting = gauges.waiting[model, priority]
            figures.add(metrics.JOBS_WAITING, waiting, model, priority.name.lower())
        for state in WORKER_STATES:
            figures.add(metrics.WORKERS, gauges.workers.get((model, state), 0), model, state)
    for worker, resources in gauges.resources.items():
        _add_resources(figures, worker, resources)
    figures.add(metrics.WEBHOOKS_PENDING, gauges.webhooks_pending)


def _add_resources(figures: Figures, worker: str, resources: WorkerResources) -> None:
    for name, volume in resources.volumes.items():
        figures.add(metrics.WORKER_VOLUME_FREE, volume.free_bytes, worker, name)
        figures.add(metrics.WORKER_VOLUME_SIZE, volume.size_bytes, worker, name)
    for name, gpu in resources.gpus.items():
        figures.add(metrics.WORKER_GPU_MEMORY_USED, gpu.used_bytes, worker, name)
        figures.add(metrics.WORKER_GPU_MEMORY_SIZE, gpu.size_bytes, worker, name)


def _first_counts(cards: Iterable[Card]) -> dict[tuple[Metric, tuple[str, ...]], int]:
    """Counters that begin at 0: Prometheus sees no increase in a series that begins at 1."""
    counted: dict[tuple[Metric, tuple[str, ...]], int] = {(metrics.WEBHOOKS_GIVEN_UP, ()): 0}
    for card in cards:
        codes = (*JOB_CODES, *error_codes((card,)))
        counted |= {(metrics.JOBS_ENDED, (card.name, each)): 0 for each in _OUTCOMES}
        counted |= {(metrics.JOBS_FAILED, (card.name, each)): 0 for each in codes}
        counted |= {(metrics.ATTEMPTS_LOST, (card.name, each)): 0 for each in LossReason}
    return counted


def _add_totals(figures: Figures, cards: Iterable[Card], totals: Iterable[Total]) -> None:
    """Counters and histograms."""
    counted = _first_counts(cards)
    for (name, *key), rows in groupby(totals, key=lambda row: (row.name, row.model, row.label)):
        metric = _OF_TOTALS.get(name)
        if metric is None:  # of another release
            continue
        labels = tuple(_LABELS.get(metric, {}).get(value, value) for value in key if value)
        if metric.kind is Kind.COUNTER:
            counted[metric, labels] = sum(row.number for row in rows)
        else:
            _add_histogram(figures, metric, list(rows), labels)
    for (metric, labels), number in counted.items():
        figures.add(metric, number, *labels)


def _add_histogram(
    figures: Figures, metric: Metric, rows: list[Total], labels: tuple[str, ...]
) -> None:
    """Add the rows of one histogram. Bounds of an earlier release count in the next larger one."""
    counts = [0] * len(metric.bounds)
    for row in rows:
        counts[next(i for i, bound in enumerate(metric.bounds) if row.le <= bound)] += row.number
    figures.add_histogram(metric, counts, sum(row.sum for row in rows), *labels)


def _add_connections(figures: Figures, context: AppContext) -> None:
    pool = context.engine.pool
    if isinstance(pool, QueuePool):
        figures.add(metrics.DATABASE_CONNECTIONS, pool.checkedout(), "sessions", "used")
        figures.add(metrics.DATABASE_CONNECTIONS, pool.checkedin(), "sessions", "idle")
        figures.add(metrics.DATABASE_CONNECTIONS_MAX, API_CALLS.most, "sessions")
    connections = context.statements.connections
    used = sum(connection.used for connection in connections)
    idle = sum(connection.opened for connection in connections) - used
    figures.add(metrics.DATABASE_CONNECTIONS, used, "statements", "used")
    figures.add(metrics.DATABASE_CONNECTIONS, max(idle, 0), "statements", "idle")
    figures.add(metrics.DATABASE_CONNECTIONS_MAX, len(connections), "statements")


def _folders(context: AppContext) -> dict[str, Path]:
    """The folders that requests fill: that of uploads, and the store if it is one."""
    folders = {"scratch": context.settings.scratch}
    if isinstance(context.storage, LocalStorage):
        folders["storage"] = context.storage.root
    return folders


def _add_storage_errors(figures: Figures, context: AppContext) -> None:
    errors = context.storage_calls.errors + context.completions.errors
    for error in sorted(set(STORAGE_ERRORS.values())):
        figures.add(metrics.STORAGE_ERRORS, errors[error], error)
