"""One attempt of a job on a worker, from claim to publication, without Celery."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from sqlalchemy.exc import OperationalError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from jobs import lease as leases
from jobs.errors import AttemptFailed, ErrorCode, LeaseLost
from jobs.fleet import worker_registry
from jobs.ids import input_key, is_id
from jobs.queue.republish import republish_soon
from jobs.states import Outcome, Phase
from models.errors import ModelError
from models.spec import MediaKind
from storage.base import ObjectNotFound
from storage.sniffing.images import check_image
from storage.sniffing.media import MediaRejected, check_media
from storage.web.fetch import fetch
from weights.errors import WeightsError
from workers.child.error_mapping import is_fatal_to_process, to_attempt_failed
from workers.child.lease_keeper import (
    Canceled,
    Drained,
    LeaseKeeper,
    LeaseKeeperConfig,
    StopRequested,
)
from workers.child.result_upload import ResultUpload
from workers.child.scratch import scratch_folder
from workers.fault_injection import Point, maybe_crash
from workers.preflight import check_license

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlalchemy.orm import Session

    from jobs.lease import Lease
    from models.spec import Card, Input, Stage
    from runtime.database import SessionFactory
    from storage.base import Storage
    from storage.web.url_policy import UrlPolicy
    from workers.child.model_cache import ModelCache
    from workers.settings import WorkerSettings

log = structlog.get_logger()

T = TypeVar("T")

DB_RETRY_SECONDS = 600
"""How long a claim, or the end of an attempt, is retried while the database is unavailable."""


@dataclass(frozen=True)
class WorkerContext:
    """What a job needs of its worker; kept by the child from one job to the next."""

    name: str
    settings: WorkerSettings
    cards: Mapping[str, Card]
    sessions: SessionFactory
    storage: Storage
    policy: UrlPolicy
    model_cache: ModelCache


def run_job(job_id: str, context: WorkerContext, *, task_id: str | None = None) -> Outcome | None:
    """Run one attempt of a job. None: the job was not claimable, for example a duplicate message.

    Afterwards `context.model_cache.poisoned` says whether this process may run another job.
    """
    lease = _claim(job_id, context, task_id)
    if lease is None:
        log.info("job skipped: not claimable", job=job_id)
        return None
    maybe_crash(Point.AFTER_CLAIM, context.settings)
    with structlog.contextvars.bound_contextvars(job=job_id, attempt=lease.attempt):
        log.info("attempt started", model=lease.model)
        outcome = _attempt(lease, context)
        log.info("attempt ended", outcome=outcome)
    return outcome


def _claim(job_id: str, context: WorkerContext, task_id: str | None) -> Lease | None:
    """Claim the job. A draining worker leaves it to another, and has it republished soon."""

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
    """Run the attempt while a thread keeps its lease."""
    settings = context.settings
    config = LeaseKeeperConfig(
        ttl=settings.lease_ttl,
        heartbeat_interval=settings.heartbeat_interval,
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
    """Run the attempt and store how it ended. Raises `LeaseLost`."""
    try:
        with scratch_folder(context.settings.scratch) as folder:
            return _run(lease, context, keeper, folder)
    except LeaseLost:
        raise
    except Canceled:
        return _close(context, keeper, lambda session: _cancel(session, lease))
    except Drained:
        limit = context.settings.max_preemptions
        return _close(
            context,
            keeper,
            lambda session: leases.preempt(session, lease, max_preemptions=limit),
        )
    except (AttemptFailed, ModelError, MediaRejected, WeightsError) as error:
        failure = _failure(error, context)
    except Exception as error:
        log.exception("unexpected error in an attempt")
        failure = _failure(error, context)
    log.info("attempt failed", code=failure.code, detail=failure.detail)
    retries = context.settings.max_retries
    return _close(
        context, keeper, lambda session: leases.fail(session, lease, failure, max_retries=retries)
    )


def _failure(error: Exception, context: WorkerContext) -> AttemptFailed:
    if is_fatal_to_process(error):
        context.model_cache.poisoned = True
    return to_attempt_failed(error, context.cards.values())


def _run(lease: Lease, context: WorkerContext, keeper: LeaseKeeper, folder: Path) -> Outcome:
    """Load the model, fetch the inputs, generate, upload and publish."""
    card = context.cards[lease.model]
    params = card.input.model_validate_json(json.dumps(lease.input))
    check_license(card, context.settings.accept_licenses)

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
        run_result = runner.generate(params, inputs, folder / "video.mp4", report)
    maybe_crash(Point.BEFORE_UPLOAD, context.settings)
    upload = ResultUpload(run_result, lease, context.storage)
    upload.upload(keeper.report)
    outcome = _publish(lease, context, keeper, upload)
    maybe_crash(Point.AFTER_PUBLISH, context.settings)
    return outcome


def fetch_inputs(
    params: Input, context: WorkerContext, report: Callable[..., None], folder: Path
) -> dict[str, Path]:
    """Fetch all media fields that the caller set. Returns local files, checked by their content.

    Raises `AttemptFailed` with the name of the field.
    """
    files = {}
    for name, kind in params.media_fields().items():
        uri = getattr(params, name)
        if uri is not None:
            report(Phase.FETCHING_INPUTS)
            files[name] = folder / f"input-{name}"
            _fetch_input(uri, name, kind, context, report=report, path=files[name])
    return files


def _fetch_input(
    uri: str,
    name: str,
    kind: MediaKind,
    context: WorkerContext,
    *,
    report: Callable[..., None],
    path: Path,
) -> None:
    try:
        if is_id(uri, "file"):
            context.storage.download(input_key(uri), path)
        else:
            fetch(
                uri,
                path,
                policy=context.policy,
                limit_bytes=context.policy.limit_bytes(kind.value),
                on_bytes=lambda done, total: report(Phase.FETCHING_INPUTS, done, total),
            )
        check_media(path, kind.value)
        if kind is MediaKind.IMAGE:
            check_image(path)
    except MediaRejected as error:
        raise AttemptFailed(
            ErrorCode.of(error.code), f"{name}: {error}.", retryable=error.retryable, field=name
        ) from error
    except ObjectNotFound as error:
        detail = f"{name}: the uploaded file is no longer stored."
        raise AttemptFailed(ErrorCode.FILE_NOT_FOUND, detail, field=name) from error


def _publish(
    lease: Lease, context: WorkerContext, keeper: LeaseKeeper, upload: ResultUpload
) -> Outcome:
    """Store that the job succeeded; if it did not, delete what was uploaded."""
    try:
        maybe_crash(Point.AFTER_UPLOAD, context.settings)
        result, timings = upload.result(), keeper.timings
        return _close(context, keeper, lambda session: _succeed(session, lease, result, timings))
    except (LeaseLost, StopRequested, AttemptFailed):
        upload.delete()
        raise


def _close(
    context: WorkerContext, keeper: LeaseKeeper, end_attempt: Callable[[Session], Outcome]
) -> Outcome:
    """End the attempt and store its notes in one transaction."""
    keeper.disarm_watchdog()

    def close(session: Session) -> Outcome:
        keeper.flush_notes(session)
        return end_attempt(session)

    return _with_db_retry(context, close)


def _with_db_retry(context: WorkerContext, action: Callable[[Session], T]) -> T:
    """Run `action` in a transaction of its own, and retry it while the database is unavailable.

    A worker that gave up at once would take and drop every message of its queue in an outage.
    """
    for attempt in Retrying(
        retry=retry_if_exception_type(OperationalError),
        wait=wait_exponential(multiplier=0.5, max=10),
        stop=stop_after_delay(DB_RETRY_SECONDS),
        reraise=True,
    ):
        with attempt, context.sessions.begin() as session:
            return action(session)
    raise AssertionError("unreachable: Retrying returns or raises")


def _succeed(
    session: Session, lease: Lease, result: dict[str, Any], timings: dict[str, float]
) -> Outcome:
    """Publish the result. A retry after a lost reply finds it published already."""
    try:
        leases.succeed(session, lease, result=result, timings=timings)
    except LeaseLost:
        if not leases.published(session, lease):
            raise
    return Outcome.SUCCEEDED


def _cancel(session: Session, lease: Lease) -> Outcome:
    leases.cancel(session, lease)
    return Outcome.CANCELED
