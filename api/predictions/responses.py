"""A job as a prediction of Replicate's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import BaseModel, Field

from api.predictions.versions import OWNER, version_id
from jobs.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from api.context.app_context import AppContext
    from api.jobs.responses import JobResponse

PredictionStatus = Literal["starting", "processing", "succeeded", "failed", "canceled"]

_STATUSES: Final[Mapping[State, PredictionStatus]] = {
    State.QUEUED: "starting",
    State.RUNNING: "processing",
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELED: "canceled",
}
_BAR: Final = 20


class Prediction(BaseModel):
    """A prediction: a job under another name."""

    id: str = Field(description="The id of the job: `GET /v1/jobs/{id}` knows it, too.")
    model: str = Field(examples=["kinomill/wav2lip"])
    version: str
    status: PredictionStatus
    input: dict[str, Any]
    output: str | None = Field(description="The URL of the result: with your key it gives bytes.")
    logs: str = Field(description="The phases so far, and the progress as tqdm writes it.")
    error: str | None
    metrics: dict[str, float] = Field(description="`predict_time`: seconds of the last attempt.")
    created_at: str
    started_at: str | None
    completed_at: str | None
    source: Literal["api"] = "api"
    data_removed: bool = Field(description="Whether the result was deleted for its age.")
    urls: dict[str, str]

    @classmethod
    def of(cls, job: JobResponse, context: AppContext, *, waited: bool = False) -> Self:
        """The prediction of a job. `waited`: for it, without seeing its end.

        Replicate's client takes any status but `starting` for the end of a request that waited.
        """
        card = context.models.cards.get(job.model)
        url = f"{context.settings.public_url}/v1/predictions/{job.id}"
        return cls(
            id=job.id,
            model=f"{OWNER}/{job.model}",
            version=version_id(card) if card else "",
            status="starting" if waited and not job.status.final else _STATUSES[job.status],
            input=job.input,
            output=f"{url}/output/{job.result.filename}" if job.result else None,
            logs="\n".join(log_lines(job)),
            error=None if job.error is None else f"{job.error.code}: {job.error.detail}",
            metrics=_metrics(job),
            created_at=job.created_at.isoformat(),
            started_at=_text(job.started_at),
            completed_at=_text(job.ended_at),
            data_removed=job.status == State.SUCCEEDED and job.result is None,
            urls={"get": url, "cancel": f"{url}/cancel", "stream": f"{url}/stream"},
        )


class PredictionPage(BaseModel):
    """A page of predictions, newest first."""

    previous: None = None
    next: str | None = Field(description="The URL of the next page.")
    results: list[Prediction]


def log_lines(job: JobResponse) -> list[str]:
    """What the job has done, a line for each phase; the last one is how far the current one is."""
    lines = [f"{name}: {seconds:.1f} s" for name, seconds in job.timings.items()]
    if job.queue is not None:
        lines.append(f"position in the queue: {job.queue.position}")
    if job.phase is not None and not job.status.final:
        lines.append(f"{job.phase} ...")
        step, steps = job.progress.step, job.progress.steps
        if step is not None and steps:
            lines.append(_bar(step, steps))
    return lines


def _bar(step: int, steps: int) -> str:
    """Progress as tqdm writes it, which Replicate's client reads."""
    filled = "\N{FULL BLOCK}" * (_BAR * step // steps)
    return f"{100 * step // steps:3d}%|{filled:<{_BAR}}| {step}/{steps}"


def _metrics(job: JobResponse) -> dict[str, float]:
    if job.started_at is None or job.ended_at is None:
        return {}
    return {
        "predict_time": (job.ended_at - job.started_at).total_seconds(),
        "total_time": (job.ended_at - job.created_at).total_seconds(),
    }


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
