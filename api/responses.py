"""What the API answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, Field

from api.jobs.webhook import Webhook
from api.models.weights_status import WeightsAnswer, WeightsSummary
from jobs.errors import ErrorCode
from jobs.states import Phase, Priority, State
from runtime.version import VERSION

if TYPE_CHECKING:
    from api.context import Shop
    from api.models.registry import Offer
    from jobs.fleet.warmup_status import WarmupStatus
    from jobs.queue.estimate import QueueEstimate
    from jobs.tables import Job
    from models.spec import Card


class Progress(BaseModel):
    """How far the present phase is."""

    percent: float | None = Field(default=None, examples=[42.5])
    step: int | None = Field(default=None, description="Frames or denoising steps done.")
    steps: int | None = Field(default=None, description="Of how many.")
    done_bytes: int | None = Field(default=None, description="Of the files on their way.")
    total_bytes: int | None = Field(default=None, description="Of how many.")
    eta_seconds: float | None = Field(
        default=None,
        description="Until the model has done its part, at the pace so far; while it generates.",
        examples=[31.4],
    )

    @classmethod
    def of(cls, job: Job) -> Self:
        """The answer for a job: one that does not run has no pace."""
        lately = {} if job.state == State.RUNNING else {"eta_seconds": None}
        return cls.model_validate(job.progress | lately)


class FileAnswer(BaseModel):
    """A file that a job made beside its video."""

    name: str = Field(examples=["voice.wav"])
    url: str = Field(description="Redirects to a signed link, made anew on each request.")
    content_type: str = Field(examples=["audio/wav"])
    size_bytes: int
    sha256: str


class ResultAnswer(BaseModel):
    """The video that a job made."""

    url: str = Field(description="Redirects to a signed link, made anew on each request.")
    content_type: str = Field(examples=["video/mp4"])
    size_bytes: int
    sha256: str
    width: int
    height: int
    fps: str = Field(description="A rational number.", examples=["25", "30000/1001"])
    frames: int
    duration_seconds: float
    has_audio: bool
    notes: dict[str, Any] = Field(default={}, description="Figures of this model alone.")
    files: list[FileAnswer] = Field(default=[], description="What else the job made.")

    @classmethod
    def of(cls, result: dict[str, Any], url: str) -> Self:
        """The answer for what the record keeps; `url` is the job's."""
        files = [file | {"url": f"{url}/files/{file['name']}"} for file in result.get("files", [])]
        return cls.model_validate(result | {"url": f"{url}/result", "files": files})


class ErrorAnswer(BaseModel):
    """Why a job failed."""

    code: ErrorCode
    detail: str
    retryable: bool
    field: str | None = Field(default=None, description="The input that was at fault.")


class EtaAnswer(BaseModel):
    """When the job may begin, in seconds from now, by what such jobs took before."""

    p50: float = Field(description="As likely sooner as later.")
    p90: float = Field(description="Nine times in ten sooner.")


class WarmingAnswer(BaseModel):
    """What a worker does before it can take the first job of a model."""

    phase: Phase = Field(description="`downloading_weights` or `loading_model`.")
    percent: float | None = Field(description="Null while the total is unknown.", examples=[62.9])
    done_bytes: int = Field(examples=[4_400_000_000])
    total_bytes: int = Field(examples=[7_000_000_000])

    @classmethod
    def of(cls, warming: WarmupStatus) -> Self:
        """The answer for what the worker last told."""
        return cls(
            phase=warming.phase,
            percent=warming.percent,
            done_bytes=warming.done_bytes,
            total_bytes=warming.total_bytes,
        )


class PlaceAnswer(BaseModel):
    """A queued job's place in the line."""

    position: int = Field(description="Jobs before it, and itself.")
    more: bool = Field(description="There are more than `position` before it.")
    workers: int = Field(description="Workers that serve this model now.")
    cold_start: bool = Field(description="No worker does: one has to start first.")
    warming: WarmingAnswer | None = Field(
        description="How far the first worker is that will serve this model; null once one does."
    )
    eta_seconds: EtaAnswer | None = Field(description="Null while nobody can tell.")

    @classmethod
    def of(cls, outlook: QueueEstimate) -> Self:
        """The answer for what the record knows."""
        p50, p90 = outlook.eta_p50_seconds, outlook.eta_p90_seconds
        return cls(
            position=outlook.position,
            more=outlook.position_is_lower_bound,
            workers=outlook.workers,
            cold_start=outlook.cold_start,
            warming=WarmingAnswer.of(outlook.warmup) if outlook.warmup else None,
            eta_seconds=None if p50 is None or p90 is None else EtaAnswer(p50=p50, p90=p90),
        )


class Provenance(BaseModel):
    """What made the video, and on what terms."""

    kinomill: str
    model: str
    license: str


class JobAnswer(BaseModel):
    """A job as its owner sees it."""

    id: str = Field(examples=["job_019aa7e0c1de7c52b1f3d8a6f0a4b7c9"])
    model: str = Field(examples=["preview-lipsync"])
    status: State
    priority: Literal["interactive", "normal", "background"]
    queue: PlaceAnswer | None = Field(
        description="Of a queued job; null in lists, and when it is not queued."
    )
    phase: Phase | None = Field(description="What a running job is busy with.")
    progress: Progress
    attempt: int = Field(description="How often a worker has taken the job.")
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime | None = Field(
        description="When inputs and result of a job that has ended are deleted."
    )
    input: dict[str, Any] = Field(description="As accepted, with defaults filled in.")
    labels: dict[str, str]
    webhook: Webhook | None = Field(description="Who is told of the end.")
    timings: dict[str, float] = Field(description="Seconds spent in each phase.")
    notes: dict[str, Any] = Field(
        description="What the worker settled: the size, frames, the plan for its memory.",
        examples=[{"width": 832, "height": 480, "frames": 81}],
    )
    result: ResultAnswer | None
    error: ErrorAnswer | None
    provenance: Provenance
    links: dict[str, str] = Field(
        description="`preview` is among them while the job runs, and after if there is one."
    )

    @classmethod
    def of(
        cls, job: Job, shop: Shop, outlook: QueueEstimate | None = None, *, preview: bool = False
    ) -> Self:
        """The answer for a row, with the addresses that callers use.

        `preview` says whether there is one; while the job runs there may be.
        """
        url = f"{shop.settings.public_url}/v1/jobs/{job.id}"
        return cls(
            id=job.id,
            model=job.model,
            status=State(job.state),
            priority=Priority(job.priority).name.lower(),
            queue=PlaceAnswer.of(outlook) if outlook else None,
            phase=Phase(job.phase) if job.phase else None,
            progress=Progress.of(job),
            attempt=job.attempt,
            cancel_requested=job.cancel_requested_at is not None,
            created_at=job.created_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
            expires_at=job.expires_at,
            input=job.input,
            labels=job.labels,
            webhook=Webhook(url=job.webhook_url) if job.webhook_url else None,
            timings=job.timings,
            notes=job.notes,
            result=ResultAnswer.of(job.result, url) if job.result else None,
            error=ErrorAnswer.model_validate(job.error) if job.error else None,
            provenance=Provenance(
                kinomill=VERSION,
                model=job.model,
                license=shop.offer.license_of(job.model),
            ),
            links=_links(url, preview=preview or job.state == State.RUNNING),
        )


class JobPage(BaseModel):
    """Some jobs, newest first."""

    items: list[JobAnswer]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page.")


class LicenseAnswer(BaseModel):
    """Terms of a model's weights."""

    name: str
    commercial: bool
    url: str | None
    accepted: bool = Field(description="Whether this server may run the model.")


class ModelSummary(BaseModel):
    """A model of this server."""

    name: str
    task: str = Field(examples=["lip-sync"])
    summary: str
    license: LicenseAnswer
    hardware: str = Field(description="The hardware.", examples=["CPU", "GPU 6 GB"])
    input_schema: dict[str, Any] = Field(description="JSON Schema of `input`.")
    example: dict[str, Any] = Field(description="An input that is valid.")
    weights: WeightsSummary | None = Field(description="Null: it has none.")

    @classmethod
    def of(cls, card: Card, offer: Offer, weights: WeightsSummary | None) -> Self:
        """The answer for a card."""
        return cls(
            name=card.name,
            task=card.task,
            summary=card.summary,
            license=LicenseAnswer(
                name=card.license.name,
                commercial=card.license.commercial,
                url=card.license.url,
                accepted=offer.accepts(card),
            ),
            hardware=card.hardware,
            input_schema=card.input.model_json_schema(),
            example=dict(card.example),
            weights=weights,
        )


class ModelAnswer(ModelSummary):
    """A model of this server, with the state of its weights on each worker."""

    weights: WeightsAnswer | None = Field(description="Null: it has none.")


class ModelList(BaseModel):
    """All models of this server."""

    items: list[ModelSummary]


class Health(BaseModel):
    """Whether a program is fit to serve."""

    status: str = Field(examples=["ok", "degraded", "unavailable"])
    database: str = Field(default="ok", examples=["ok", "unavailable"])
    broker: str = Field(default="ok", examples=["ok", "unavailable"])


def _links(url: str, *, preview: bool) -> dict[str, str]:
    links = {"self": url, "cancel": f"{url}/cancel", "result": f"{url}/result"}
    return links | ({"preview": f"{url}/preview"} if preview else {})
