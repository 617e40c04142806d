"""One attempt of a job on a worker, from claim to publication, without Celery."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from jobs import lease as leases
from jobs.errors import AttemptFailed, LeaseLost
from jobs.queue.claim import Claimant
from jobs.states import Outcome, Phase
from models.errors import ModelError, WeightsInvalid
from runtime.logs.redaction import REDACTOR
from storage.sniffing.media import MediaRejected
from weights.errors import WeightsError
from workers.child.claims.claims import Claims
from workers.child.claims.retries import with_retry
from workers.child.error_mapping import is_fatal_to_process, panics_as_errors, to_attempt_failed
from workers.child.inputs import InputFetcher
from workers.child.kept_folder import KeptFolders
from workers.child.lease_keeper import (
    Canceled,
    Drained,
    LeaseKeeper,
    LeaseKeeperConfig,
    StopRequested,
)
from workers.child.monitoring.attempt_monitor import AttemptMonitor
from workers.child.pinned_weights import require_pinned
from workers.child.results.posters import poster_of
from workers.child.results.result_upload import ResultUpload
from workers.child.scratch import scratch_folder
from workers.child.traces.attempt_span import attempt_span, describe_end
from workers.fault_injection import Point, maybe_crash
from workers.preflight import check_license
from workers.shared.gpu_memory import peak_recorded
from workers.shared.job_events import JobEventWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Engine

    from jobs.lease import Lease
    from jobs.queue.end_hints import EndHints
    from models.spec import Card, Part, Stage
    from runtime.traces.job_span import JobSpan
    from storage.base import Storage
    from storage.web.url_policy import UrlPolicy
    from workers.child.model_cache import ModelCache
    from workers.settings import WorkerSettings

log = structlog.get_logger()

EndAttempt: TypeAlias = "Callable[..., Outcome]"
"""A function of `jobs.lease` that ends an attempt; called with connection, lease and `report`."""
_FINAL = frozenset({Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELED})


@dataclass(frozen=True)
class WorkerContext:
    """What a job needs of its worker; kept by the child from one job to the next."""

    name: str
    settings: WorkerSettings
    cards: Mapping[str, Card]
    engine: Engine
    """Made by `create_worker_engine`."""
    storage: Storage
    policy: UrlPolicy
    model_cache: ModelCache
    hints: EndHints
    job_events: JobEventWriter = field(default_factory=JobEventWriter)

    @cached_property
    def kept_folders(self) -> KeptFolders:
        """The folders that belong to jobs."""
        settings = self.settings
        return KeptFolders(settings.scratch, settings.database_url.get_secret_value())


def run_job(model: str, context: WorkerContext, *, task_id: str | None = None) -> Outcome | None:
    """Run one attempt of the model's most urgent job. None: no job is due; others had them all.

    Afterwards `context.model_cache.poisoned` says whether this process may run another job.
    """
    return run_jobs(model, context, task_id=task_id, seconds=0)


def run_jobs(
    model: str, context: WorkerContext, *, task_id: str | None, seconds: float
) -> Outcome | None:
    """Run the most urgent job, and the next ones while some are due and `seconds` have not passed.

    Jobs that take milliseconds need no message each. Returns how the last attempt ended, None if
    there was none.
    """
    outcome, claims = None, Claims(_claimant(model, context, task_id), context.engine, seconds)
    with context.model_cache.job():
        lease = claims.first()
        if lease is None:
            log.info("no job is due", model=model)
        try:
            while lease is not None:
                outcome = _run_claimed(lease, context, claims)
                lease = None if context.model_cache.poisoned else claims.next()
        finally:
            claims.give_back(context.settings.max_preemptions)
    return outcome


def _run_claimed(lease: Lease, context: WorkerContext, claims: Claims) -> Outcome:
    maybe_crash(Point.AFTER_CLAIM, context.settings)
    queue = context.cards[lease.model].queue
    with attempt_span(lease, queue) as span, _log_of(lease, context, span):
        monitor = AttemptMonitor(lease, context.job_events, span)
        monitor.begin()
        if context.settings.log_prompts:
            log.info("texts of the input", texts=_texts(lease, context))
        with peak_recorded(lease.model, context.model_cache.status_file):
            outcome = _attempt(lease, context, monitor, claims)
        describe_end(span, outcome)
        if outcome in _FINAL:
            context.kept_folders.discard(lease.job_id)
        monitor.end(outcome)
    return outcome


@contextmanager
def _log_of(lease: Lease, context: WorkerContext, span: JobSpan) -> Iterator[None]:
    """Name the attempt in each line of the log, and let none quote what people have written."""
    hidden = nullcontext() if context.settings.log_prompts else REDACTOR.hidden(lease.input)
    named = structlog.contextvars.bound_contextvars(
        job=lease.job_id,
        attempt=lease.attempt,
        account=lease.account,
        model=lease.model,
        **span.log_fields,
    )
    with named, hidden:
        yield


def _texts(lease: Lease, context: WorkerContext) -> dict[str, str]:
    """What people have written in an input, such as a prompt; links are none of it."""
    media = context.cards[lease.model].input.media_fields()
    given = lease.input.items()
    return {name: text for name, text in given if isinstance(text, str) and name not in media}


def _claimant(model: str, context: WorkerContext, task_id: str | None) -> Claimant:
    return Claimant(
        model=model,
        queue=context.cards[model].queue,
        worker=context.name,
        pid=os.getpid(),
        task_id=task_id,
        ttl=context.settings.lease_ttl,
        max_running=context.settings.max_running_per_account,
    )


def _attempt(
    lease: Lease, context: WorkerContext, monitor: AttemptMonitor, claims: Claims
) -> Outcome:
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
    keeper = LeaseKeeper(lease, context.engine, config, monitor)
    try:
        with keeper:
            return _run_and_close(lease, context, keeper, claims)
    except LeaseLost:
        log.warning("lease lost, result dropped")
        return Outcome.LOST


def _run_and_close(
    lease: Lease, context: WorkerContext, keeper: LeaseKeeper, claims: Claims
) -> Outcome:
    """Run the attempt and store how it ended. Raises `LeaseLost`."""
    try:
        context.kept_folders.sweep_once_a_minute(context.engine)
        with scratch_folder(context.settings.scratch) as folder:
            context.kept_folders.offer(lease.job_id, folder)
            upload = _run(lease, context, keeper, folder)
            return _publish(lease, context, keeper, upload, claims)
    except LeaseLost:
        raise
    except Canceled:
        end: EndAttempt = leases.cancel
    except Drained:
        end = partial(leases.preempt, max_preemptions=context.settings.max_preemptions)
    except (AttemptFailed, ModelError, MediaRejected, WeightsError) as error:
        end = _failed(_failure(error, context), context, keeper)
    except Exception as error:
        log.exception("unexpected error in an attempt")
        end = _failed(_failure(error, context), context, keeper)
    return _close(lease, context, keeper, end)


def _failed(failure: AttemptFailed, context: WorkerContext, keeper: LeaseKeeper) -> EndAttempt:
    """Note the failure in span and log; returns what stores it."""
    keeper.span.fail(failure.code)
    keeper.monitor.code = failure.code
    log.info("attempt failed", code=str(failure.code), detail=failure.detail)
    return partial(leases.fail, error=failure, max_retries=context.settings.max_retries)


def _failure(error: Exception, context: WorkerContext) -> AttemptFailed:
    if is_fatal_to_process(error):
        context.model_cache.poisoned = True
    if isinstance(error, WeightsInvalid):
        log.error("weights rejected", error=str(error))
    return to_attempt_failed(error, context.cards.values())


def _run(lease: Lease, context: WorkerContext, keeper: LeaseKeeper, folder: Path) -> ResultUpload:
    """Load the model, fetch the inputs, generate and upload."""
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
        part: Part | None = None,
    ) -> None:
        keeper.report(Phase(stage), done, total, preview=preview, notes=notes, part=part)

    with context.model_cache.acquire(card, keeper.report) as runner:
        require_pinned(lease, card, context.model_cache.model_weights, keeper)
        inputs = InputFetcher(context.storage, context.policy, keeper.report, folder).fetch_all(
            params
        )
        keeper.monitor.bytes_in = sum(path.stat().st_size for path in inputs.values())
        with panics_as_errors():
            run_result = runner.generate(params, inputs, folder / "video.mp4", report)
    maybe_crash(Point.BEFORE_UPLOAD, context.settings)
    upload = ResultUpload(
        run_result,
        lease,
        context.storage,
        card.digital_source_type,
        poster=poster_of(run_result, folder),
    )
    upload.upload(keeper.report)
    keeper.monitor.bytes_out = upload.size_bytes
    return upload


def _publish(
    lease: Lease, context: WorkerContext, keeper: LeaseKeeper, upload: ResultUpload, claims: Claims
) -> Outcome:
    """Store that the job succeeded; if it did not, delete what was uploaded."""
    try:
        maybe_crash(Point.AFTER_UPLOAD, context.settings)
        result = upload.result()
        keeper.prepare_end()
        success = leases.success_request(
            lease, result=result, timings=keeper.timings, report=keeper.attempt_report
        )
        claims.publish(lease, success)
    except (LeaseLost, StopRequested, AttemptFailed):
        upload.delete()
        raise
    context.hints.send([lease.job_id])
    maybe_crash(Point.AFTER_PUBLISH, context.settings)
    return Outcome.SUCCEEDED


def _close(lease: Lease, context: WorkerContext, keeper: LeaseKeeper, end: EndAttempt) -> Outcome:
    """End the attempt and store its notes, then notify those who wait for the end of the job."""
    keeper.prepare_end()
    outcome = with_retry(
        context.engine, lambda connection: end(connection, lease, report=keeper.attempt_report)
    )
    if outcome in _FINAL:
        context.hints.send([lease.job_id])
    return outcome
