"""The life of one job on a worker, top to bottom, without Celery."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from sqlalchemy.exc import OperationalError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from jobs import lease as leases
from jobs.errors import AttemptFailed, LeaseLost
from jobs.fleet import worker_registry
from jobs.queue.republish import ring_soon
from jobs.states import Outcome, Phase
from models.errors import ModelError
from storage.sniffing.media import MediaRejected
from weights.errors import WeightsError
from workers import fault_injection, licenses
from workers.child.error_mapping import explain, spoils
from workers.child.inputs import fetch_inputs
from workers.child.lease_keeper import Canceled, Drained, Guard, Rules, Stopped
from workers.child.result_upload import Delivery
from workers.child.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlalchemy.orm import Session

    from jobs.lease import Lease
    from models.spec import Card, Stage
    from runtime.database import SessionFactory
    from storage.base import Storage
    from storage.web.url_policy import FetchPolicy
    from workers.child.model_cache import Warm
    from workers.settings import WorkerSettings

log = structlog.get_logger()

T = TypeVar("T")

OUTAGE_SECONDS = 600
"""How long a finished attempt waits for a database that is away before it gives up."""


@dataclass(frozen=True)
class Bench:
    """All that a worker's child works with, made once and kept."""

    name: str
    settings: WorkerSettings
    cards: Mapping[str, Card]
    sessions: SessionFactory
    storage: Storage
    policy: FetchPolicy
    warm: Warm


def perform(job_id: str, bench: Bench, *, task_id: str | None = None) -> Outcome | None:
    """Run one attempt of a job. None: the call was a duplicate, or the job is not to be run.

    Afterwards `bench.warm.spoiled` says whether this process may run another.
    """
    lease = _claim(job_id, bench, task_id)
    if lease is None:
        log.info("nothing to do: not queued, or not to be run now", job=job_id)
        return None
    fault_injection.reach(fault_injection.Point.AFTER_CLAIM, bench.settings)
    with structlog.contextvars.bound_contextvars(job=job_id, attempt=lease.attempt):
        log.info("attempt started", model=lease.model)
        outcome = _attempt(lease, bench)
        log.info("attempt ended", outcome=outcome)
    return outcome


def _claim(job_id: str, bench: Bench, task_id: str | None) -> Lease | None:
    """A worker that was told to stop leaves the job to another, who is rung for soon."""

    def claim(session: Session) -> Lease | None:
        if worker_registry.draining(session, bench.name) is not None:
            ring_soon(session, [job_id])
            return None
        return leases.claim(
            session,
            job_id,
            worker=bench.name,
            pid=os.getpid(),
            ttl=bench.settings.lease_ttl,
            task_id=task_id,
            cap=bench.settings.max_running_per_account,
        )

    return _patiently(bench, claim)


def _attempt(lease: Lease, bench: Bench) -> Outcome:
    settings = bench.settings
    rules = Rules(
        ttl=settings.lease_ttl,
        beat=settings.beat,
        cancel_grace=settings.cancel_grace,
        stall_limit=bench.cards[lease.model].stall_limit,
        max_retries=settings.max_retries,
        max_preemptions=settings.max_preemptions,
        preview_seconds=settings.preview_seconds,
    )
    guard = Guard(lease, bench.sessions, rules)
    try:
        with guard:
            return _ended(lease, bench, guard)
    except LeaseLost:
        log.warning("lease lost, result dropped")
        return Outcome.LOST


def _ended(lease: Lease, bench: Bench, guard: Guard) -> Outcome:
    """Run the attempt and write down its end. Raises `LeaseLost`."""
    try:
        with scratch_folder(bench.settings.scratch) as folder:
            return _run(lease, bench, guard, folder)
    except LeaseLost:
        raise
    except Canceled:
        return _close(bench, guard, lambda session: _canceled(session, lease))
    except Drained:
        most = bench.settings.max_preemptions
        return _close(
            bench, guard, lambda session: leases.give_back(session, lease, max_preemptions=most)
        )
    except (AttemptFailed, ModelError, MediaRejected, WeightsError) as error:
        failure = _failure(error, bench)
    except Exception as error:
        log.exception("attempt met an error")
        failure = _failure(error, bench)
    log.info("attempt failed", code=failure.code, detail=failure.detail)
    retries = bench.settings.max_retries
    return _close(
        bench, guard, lambda session: leases.fail(session, lease, failure, max_retries=retries)
    )


def _failure(error: Exception, bench: Bench) -> AttemptFailed:
    if spoils(error):
        bench.warm.spoiled = True
    return explain(error)


def _run(lease: Lease, bench: Bench, guard: Guard, folder: Path) -> Outcome:
    card = bench.cards[lease.model]
    params = card.input.model_validate_json(json.dumps(lease.input))
    licenses.heed(card, bench.settings.accept_licenses)

    def report(
        stage: Stage,
        done: int = 0,
        total: int | None = None,
        *,
        preview: Callable[[], bytes] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        guard.report(Phase(stage), done, total, preview=preview, notes=notes)

    with bench.warm.lent(card, guard.report) as runner:
        inputs = fetch_inputs(params, bench, guard.report, folder)
        clip = runner.generate(params, inputs, folder / "video.mp4", report)
    fault_injection.reach(fault_injection.Point.BEFORE_UPLOAD, bench.settings)
    delivery = Delivery(clip, lease, bench.storage)
    delivery.upload(guard.report)
    try:
        fault_injection.reach(fault_injection.Point.AFTER_UPLOAD, bench.settings)
        result, timings = delivery.result(), guard.timings
        outcome = _close(bench, guard, lambda session: _succeeded(session, lease, result, timings))
    except (LeaseLost, Stopped, AttemptFailed):
        delivery.withdraw()
        raise
    fault_injection.reach(fault_injection.Point.AFTER_PUBLISH, bench.settings)
    return outcome


def _close(bench: Bench, guard: Guard, closing: Callable[[Session], Outcome]) -> Outcome:
    """Write the end of an attempt, and what it has settled until then."""
    guard.rest()

    def close(session: Session) -> Outcome:
        guard.settle(session)
        return closing(session)

    return _patiently(bench, close)


def _patiently(bench: Bench, act: Callable[[Session], T]) -> T:
    """Do it in a transaction of its own, through an outage of the database if need be.

    A worker that gave up at once would use up all calls of its queue while the database is away.
    """
    for attempt in Retrying(
        retry=retry_if_exception_type(OperationalError),
        wait=wait_exponential(multiplier=0.5, max=10),
        stop=stop_after_delay(OUTAGE_SECONDS),
        reraise=True,
    ):
        with attempt, bench.sessions.begin() as session:
            return act(session)
    raise AssertionError("unreachable: Retrying returns or raises")


def _succeeded(
    session: Session, lease: Lease, result: dict[str, Any], timings: dict[str, float]
) -> Outcome:
    try:
        leases.succeed(session, lease, result=result, timings=timings)
    except LeaseLost:
        if not leases.published(session, lease):
            raise
    return Outcome.SUCCEEDED


def _canceled(session: Session, lease: Lease) -> Outcome:
    leases.cancel(session, lease)
    return Outcome.CANCELED
