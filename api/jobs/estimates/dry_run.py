"""A dry run: all checks of a submission, its limits too, and an estimate. Nothing is stored."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from api.jobs.estimates.responses import EstimateResponse, Percentiles
from api.jobs.estimates.run_time import run_time
from api.jobs.responses import QueuePosition
from api.jobs.submission import prepare
from jobs.estimates.past_runs import past_runs
from jobs.queue.admission import queue_refusal
from models.spec import MediaKind
from runtime.truncation.length import stated_seconds

if TYPE_CHECKING:
    from api.bodies.staging import Staging
    from api.jobs.estimates.run_time import RunTime
    from api.jobs.request_body import ParsedSubmission
    from jobs.queue.estimate import QueueEstimate
    from jobs.queue.snapshot import QueueState
    from jobs.queue.submission import Submission
    from models.spec import Card


async def estimate(
    parsed: ParsedSubmission, staging: Staging, *, idempotency_key: str | None
) -> EstimateResponse:
    """What a submission would take. Raises `RequestError` for one that would be refused."""
    context = staging.context
    submission = await prepare(parsed, staging, idempotency_key=idempotency_key)
    state = (await context.queues.get())[submission.model]
    replayed = await context.statements.find_replayed(submission)
    refusal = queue_refusal(state.load, context.limits)
    if refusal is not None and replayed is None:
        raise refusal
    card = context.models.require_submittable(submission.model)
    voice = await context.storage_calls.run(voice_seconds, card, staging) if staging.files else None
    past = await context.statements.shared.run(
        lambda connection: past_runs(connection, submission.model)
    )
    work = card.input.model_validate_json(json.dumps(submission.input)).work(voice)
    run = await context.parsing.run(run_time, card.input, work, past)
    return _response(submission, state, run)


def voice_seconds(card: Card, staging: Staging) -> float | None:
    """The length of the longest voice among the files of this request, by their headers."""
    kinds = card.input.media_fields()
    paths = [
        file.upload.path
        for name, file in staging.files.items()
        if kinds[name] is MediaKind.AUDIO and file.upload is not None
    ]
    return max(filter(None, map(stated_seconds, paths)), default=None)


def _response(submission: Submission, state: QueueState, run: RunTime | None) -> EstimateResponse:
    queue = _place(state, state.estimate(submission.id, submission.priority, now=time.time()))
    waits = queue.eta_p50_seconds, queue.eta_p90_seconds
    return EstimateResponse(
        model=submission.model,
        seconds=_percentiles(*_sums(waits, run)),
        gpu_seconds=None if run is None else Percentiles(p50=run.p50, p90=run.p90),
        queue=QueuePosition.of(queue),
        samples=run.samples if run else 0,
        scaled=run.scaled if run else False,
        reason=None if run else _no_history(submission.model),
    )


def _place(state: QueueState, queue: QueueEstimate) -> QueueEstimate:
    """The place in the queue; without a wait while more workers are idle than jobs are before."""
    if queue.position <= state.workers - state.running:
        return replace(queue, eta_p50_seconds=0.0, eta_p90_seconds=0.0)
    return queue


def _sums(waits: tuple[float | None, float | None], run: RunTime | None) -> list[float | None]:
    runs: tuple[Any, Any] = (None, None) if run is None else (run.p50, run.p90)
    pairs = zip(waits, runs, strict=True)
    return [None if None in pair else round(sum(pair), 3) for pair in pairs]


def _percentiles(p50: float | None, p90: float | None) -> Percentiles | None:
    return None if p50 is None or p90 is None else Percentiles(p50=p50, p90=p90)


def _no_history(model: str) -> str:
    return f"No job of {model} has succeeded yet, so there is nothing to go by."
