"""Responses about jobs."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, Field

from api.jobs.request_body import Webhook
from api.results.responses import Result
from jobs.states import Phase, Priority, State
from jobs.webhooks.events import DEFAULT_EVENTS, WebhookEvent
from runtime.version import VERSION

if TYPE_CHECKING:
    from api.context.app_context import AppContext
    from jobs.fleet.warmup_status import WarmupStatus
    from jobs.queue.estimate import Pause, QueueEstimate
    from jobs.rows import JobRow
    from jobs.tables import Job


class Progress(BaseModel):
    """Progress within the current phase."""

    percent: float | None = Field(default=None, examples=[42.5])
    step: int | None = Field(default=None, description="Frames or denoising steps done.")
    steps: int | None = Field(default=None, description="Total frames or denoising steps.")
    part: int | None = Field(
        default=None,
        description="The clip, segment or chunk that is computed, from 1, where the model computes "
        "several; `step` counts through all of them.",
    )
    parts: int | None = Field(
        default=None,
        description="How many there are. It grows where a cut of a video adds one.",
    )
    done_bytes: int | None = Field(default=None, description="Bytes transferred so far.")
    total_bytes: int | None = Field(default=None, description="Total bytes to transfer.")
    eta_seconds: float | None = Field(
        default=None,
        description="Estimated time until the model is done; only while it generates.",
        examples=[31.4],
    )

    @classmethod
    def of(cls, job: Job | JobRow) -> Self:
        """Progress of a job; without an estimate unless it is running."""
        override = {} if job.state == State.RUNNING else {"eta_seconds": None}
        return cls.model_validate(job.progress | override)


class JobFailure(BaseModel):
    """Why a job failed."""

    code: str = Field(description="From a closed list; programs should rely on this one.")
    detail: str = Field(description="What happened and what to do, for people.")
    retryable: bool = Field(description="Whether the same job may succeed later.")
    field: str | None = Field(default=None, description="Field of the input that caused it.")


class WaitEstimate(BaseModel):
    """Seconds until the job may start, estimated from the durations of earlier jobs."""

    p50: float = Field(description="Median estimate.")
    p90: float = Field(description="90th percentile.")


class WarmupProgress(BaseModel):
    """Progress of a worker that downloads or loads a model before its first job."""

    phase: Phase = Field(description="`downloading_weights` or `loading_model`.")
    percent: float | None = Field(description="Null while the total is unknown.", examples=[62.9])
    done_bytes: int = Field(examples=[4_400_000_000])
    total_bytes: int = Field(examples=[7_000_000_000])

    @classmethod
    def of(cls, warmup: WarmupStatus) -> Self:
        """The response for what the worker reported last."""
        return cls(
            phase=warmup.phase,
            percent=warmup.percent,
            done_bytes=warmup.done_bytes,
            total_bytes=warmup.total_bytes,
        )


class QueuePause(BaseModel):
    """A pause of a queue by the operator: its jobs wait, and none is lost."""

    since: datetime
    reason: str = Field(examples=["The weights are being replaced."])

    @classmethod
    def of(cls, pause: Pause | None) -> Self | None:
        """The response for a pause, if there is one."""
        return None if pause is None else cls(since=pause.since, reason=pause.reason)


class QueuePosition(BaseModel):
    """Position of a queued job in its queue."""

    position: int = Field(description="Jobs that will run before it, plus one.")
    position_is_lower_bound: bool = Field(
        description="The queue was only counted up to `position`; there are more jobs before it."
    )
    workers: int = Field(description="Workers that take jobs of this model now.")
    cold_start: bool = Field(description="No worker takes jobs of this model yet.")
    paused: QueuePause | None = Field(
        description="Set while the operator lets no job of this model begin."
    )
    warmup: WarmupProgress | None = Field(
        description="Progress of the first worker that will serve this model; null once one does."
    )
    eta_seconds: WaitEstimate | None = Field(
        description="Null while there is nothing to estimate it by."
    )

    @classmethod
    def of(cls, queue: QueueEstimate) -> Self:
        """The response for an estimate."""
        p50, p90 = queue.eta_p50_seconds, queue.eta_p90_seconds
        return cls(
            position=queue.position,
            position_is_lower_bound=queue.position_is_lower_bound,
            workers=queue.workers,
            cold_start=queue.cold_start,
            paused=QueuePause.of(queue.pause),
            warmup=WarmupProgress.of(queue.warmup) if queue.warmup else None,
            eta_seconds=None if p50 is None or p90 is None else WaitEstimate(p50=p50, p90=p90),
        )


class Provenance(BaseModel):
    """What generated the result, and under which license."""

    kinomill: str = Field(description="Version of the server.")
    model: str
    license: str = Field(description="License of the model's weights.")
    encoder: str | None = Field(
        description="Names, versions and settings of the encoders; null until there is a result. "
        "The same input and seed give the same bytes only where this is the same.",
        examples=[
            "libx264 165, libavcodec 62.28.102, PyAV 18.1.0: "
            "crf=18 preset=veryfast threads=4 asm=avx2; aac 160000 bit/s"
        ],
    )


class JobResponse(BaseModel):
    """A job as its owner sees it."""

    id: str = Field(examples=["job_019aa7e0c1de7c52b1f3d8a6f0a4b7c9"])
    account: str = Field(description="The account that submitted it.", examples=["team-a"])
    model: str = Field(examples=["preview-lipsync"])
    status: State
    priority: Literal["interactive", "normal", "background"]
    queue: QueuePosition | None = Field(
        description="Position of a queued job; null in lists and for jobs that are not queued."
    )
    phase: Phase | None = Field(description="What a running job is doing.")
    progress: Progress
    attempt: int = Field(description="How many times a worker has started the job.")
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    start_by: datetime | None = Field(
        description="When it fails as `not_started_in_time` unless a worker has started it."
    )
    retry_of: str | None = Field(description="The job of which it is a retry.")
    expires_at: datetime | None = Field(
        description="When inputs and result of a finished job are deleted."
    )
    input: dict[str, Any] = Field(description="The input as accepted, with defaults filled in.")
    labels: dict[str, str]
    webhook: Webhook | None = Field(description="Called when the job has ended.")
    timings: dict[str, float] = Field(description="Seconds spent in each phase.")
    notes: dict[str, Any] = Field(
        description="What the worker decided: size, frames, how the model fits into memory.",
        examples=[{"width": 832, "height": 480, "frames": 81}],
    )
    result: Result | None
    error: JobFailure | None
    provenance: Provenance
    links: dict[str, str] = Field(
        description="`preview` is present while the job runs, and later if one was stored; "
        "`poster` if the result has one."
    )

    @classmethod
    def of(
        cls,
        job: Job | JobRow,
        context: AppContext,
        queue: QueueEstimate | None = None,
        *,
        preview: bool = False,
    ) -> Self:
        """The response for a row. `preview`: whether one is stored; a running job may get one."""
        url = f"{context.settings.public_url}/v1/jobs/{job.id}"
        return cls(
            id=job.id,
            account=job.account,
            model=job.model,
            status=State(job.state),
            priority=Priority(job.priority).name.lower(),
            queue=QueuePosition.of(queue) if queue else None,
            phase=Phase(job.phase) if job.phase else None,
            progress=Progress.of(job),
            attempt=job.attempt,
            cancel_requested=job.cancel_requested_at is not None,
            created_at=job.created_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
            start_by=job.start_by,
            retry_of=job.retry_of,
            expires_at=job.expires_at,
            input=job.input,
            labels=job.labels,
            webhook=_webhook(job),
            timings=job.timings,
            notes=job.notes,
            result=Result.of(job.result, job.model, job.id, url) if job.result else None,
            error=JobFailure.model_validate(job.error) if job.error else None,
            provenance=Provenance(
                kinomill=VERSION,
                model=job.model,
                license=context.models.license_name(job.model),
                encoder=(job.result or {}).get("encoder"),
            ),
            links=_links(
                url, preview=preview or job.state == State.RUNNING, poster=_has_poster(job)
            ),
        )


class JobPage(BaseModel):
    """A page of jobs, newest first."""

    items: list[JobResponse]
    next_cursor: str | None = Field(
        description="Send it as `cursor` to get the next page; null on the last one."
    )


def job_response(job: JobRow, context: AppContext) -> JobResponse:
    """The response for one job, with its queue position and whether it has a preview."""
    queue = None
    if job.state == State.QUEUED:
        state = context.queues.latest(job.model)
        queue = state.estimate(job.id, job.priority, now=time.time())
    preview = job.has_preview and job.state != State.SUCCEEDED
    return JobResponse.of(job, context, queue, preview=preview)


def _has_poster(job: Job | JobRow) -> bool:
    return job.result is not None and "poster" in job.result and job.expired_at is None


def _webhook(job: Job | JobRow) -> Webhook | None:
    if job.webhook_url is None:
        return None
    events = job.webhook_events or DEFAULT_EVENTS
    return Webhook(url=job.webhook_url, events=[WebhookEvent(each) for each in events])


def _links(url: str, *, preview: bool, poster: bool) -> dict[str, str]:
    links = {"self": url, "cancel": f"{url}/cancel", "result": f"{url}/result"}
    optional = {"preview": preview, "poster": poster}
    return links | {name: f"{url}/{name}" for name, there in optional.items() if there}
