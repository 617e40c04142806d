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
from jobs.queue.republish import republish_soon
from jobs.states import Outcome, Phase
from models.errors import ModelError
from storage.sniffing.media import MediaRejected
from weights.errors import WeightsError
from workers import fault_injection, licenses
from workers.child.error_mapping import is_fatal_to_process, to_attempt_failed
from workers.child.inputs import fetch_inputs
from workers.child.lease_keeper import (
    Canceled,
    Drained,
    LeaseKeeper,
    LeaseKeeperConfig,
    StopRequested,
)
from workers.child.result_upload import ResultUpload
from workers.child.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlalchemy.orm import Session

    from jobs.lease import Lease
    from models.spec import Card, Stage
    from runtime.database import SessionFactory
    from storage.base import Storage
    from storage.web.url_policy import UrlPolicy
    from workers.child.model_cache import ModelCache
    from workers.settings import WorkerSettings

log = structlog.get_logger()

T = TypeVar("T")

DB_RETRY_SECONDS = 600
"""How long a finished attempt waits for a database that is away before it gives up."""


@dataclass(frozen=True)
class WorkerContext:
    """All that a worker's child works with, made once and kept."""

    name: str
    settings: WorkerSettings
    cards: Mapping[str, Card]
    sessions: SessionFactory
    storage: Storage
    policy: UrlPolicy
    model_cache: ModelCache


def run_job(job_id: str, context: WorkerContext, *, task_id: str | None = None) -> Outcome | None:
    """Run one attempt of a job. None: the call was a duplicate, or the job is not to be run.

    Afterwards `context.model_cache.poisoned` says whether this process may run another.
    """
    lease = _claim(job_id, context, task_id)
    if lease is None:
        log.info("nothing to do: not queued, or not to be run now", job=job_id)
        return None
    fault_injection.maybe_crash(fault_injection.Point.AFTER_CLAIM, context.settings)
    with structlog.contextvars.bound_contextvars(job=job_id, attempt=lease.attempt):
        log.info("attempt started", model=lease.model)
        outcome = _attempt(lease, context)
        log.info("attempt ended", outcome=outcome)
    return outcome


def _claim(job_id: str, context: WorkerContext, task_id: str | None) -> Lease | None:
    """A worker that was told to stop leaves the job to another, who is rung for soon."""

    def claim(session: Session) -> Lease | None:
        if worker_registry.draining_until(session, context.name) is not None:
            republish_soon(session, [job_id])
            return None
        return leases.claim(
            session,
            job_id,
            worker=context.name,
            pid=os.getpid(),
            ttl=context.settings.lease_ttl,
            task_id=task_id,
            max_running=context.settings.max_running_per_account,
        )

    return _with_db_retry(context, claim)


def _attempt(lease: Lease, context: WorkerContext) -> Outcome:
    settings = context.settings
    config = LeaseKeeperConfig(
        ttl=settings.lease_ttl,
        beat=settings.heartbeat_interval,
        cancel_grace=settings.cancel_grace,
        stall_limit=context.cards[lease.model].stall_limit,
        max_retries=settings.max_retries,
        max_preemptions=settings.max_preemptions,
        preview_seconds=settings.preview_seconds,
    )
    keeper = LeaseKeeper(lease, context.sessions, config)
    try:
        with keeper:
            return _run_and_close(lease, context, keeper)
    except LeaseLost:
        log.warning("lease lost, result dropped")
        return Outcome.LOST


def _run_and_close(lease: Lease, context: WorkerContext, keeper: LeaseKeeper) -> Outcome:
    """Run the attempt and write down its end. Raises `LeaseLost`."""
    try:
        with scratch_folder(context.settings.scratch) as folder:
            return _run(lease, context, keeper, folder)
    except LeaseLost:
        raise
    except Canceled:
        return _close(context, keeper, lambda session: _canceled(session, lease))
    except Drained:
        most = context.settings.max_preemptions
        return _close(
            context, keeper, lambda session: leases.preempt(session, lease, max_preemptions=most)
        )
    except (AttemptFailed, ModelError, MediaRejected, WeightsError) as error:
        failure = _failure(error, context)
    except Exception as error:
        log.exception("attempt met an error")
        failure = _failure(error, context)
    log.info("attempt failed", code=failure.code, detail=failure.detail)
    retries = context.settings.max_retries
    return _close(
        context, keeper, lambda session: leases.fail(session, lease, failure, max_retries=retries)
    )


def _failure(error: Exception, context: WorkerContext) -> AttemptFailed:
    if is_fatal_to_process(error):
        context.model_cache.poisoned = True
    return to_attempt_failed(error)


def _run(lease: Lease, context: WorkerContext, keeper: LeaseKeeper, folder: Path) -> Outcome:
    card = context.cards[lease.model]
    params = card.input.model_validate_json(json.dumps(lease.input))
    licenses.check(card, context.settings.accept_licenses)

    def report(
        stage: Stage,
        done: int = 0,
        total: int | None = None,
        *,
        preview: Callable[[], bytes] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        keeper.report(Phase(stage), done, total, preview=preview, notes=notes)

    with context.model_cache.acquire(card, keeper.report) as runner:
        inputs = fetch_inputs(params, context, keeper.report, folder)
        clip = runner.generate(params, inputs, folder / "video.mp4", report)
    fault_injection.maybe_crash(fault_injection.Point.BEFORE_UPLOAD, context.settings)
    result_upload = ResultUpload(clip, lease, context.storage)
    result_upload.upload(keeper.report)
    try:
        fault_injection.maybe_crash(fault_injection.Point.AFTER_UPLOAD, context.settings)
        result, timings = result_upload.result(), keeper.timings
        outcome = _close(
            context, keeper, lambda session: _succeeded(session, lease, result, timings)
        )
    except (LeaseLost, StopRequested, AttemptFailed):
        result_upload.delete()
        raise
    fault_injection.maybe_crash(fault_injection.Point.AFTER_PUBLISH, context.settings)
    return outcome


def _close(
    context: WorkerContext, keeper: LeaseKeeper, closing: Callable[[Session], Outcome]
) -> Outcome:
    """Write the end of an attempt, and what it has settled until then."""
    keeper.disarm_watchdog()

    def close(session: Session) -> Outcome:
        keeper.flush_notes(session)
        return closing(session)

    return _with_db_retry(context, close)


def _with_db_retry(context: WorkerContext, act: Callable[[Session], T]) -> T:
    """Do it in a transaction of its own, through an outage of the database if need be.

    A worker that gave up at once would use up all calls of its queue while the database is away.
    """
    for attempt in Retrying(
        retry=retry_if_exception_type(OperationalError),
        wait=wait_exponential(multiplier=0.5, max=10),
        stop=stop_after_delay(DB_RETRY_SECONDS),
        reraise=True,
    ):
        with attempt, context.sessions.begin() as session:
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
