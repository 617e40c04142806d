"""Responses about what a submission would take."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from api.jobs.responses import QueuePosition


class Percentiles(BaseModel):
    """An estimate in seconds."""

    p50: float = Field(description="Median estimate.", examples=[42.0])
    p90: float = Field(description="90th percentile.", examples=[63.5])


class EstimateResponse(BaseModel):
    """What a submission would take, if it were sent now without `dry_run`."""

    dry_run: Literal[True] = Field(default=True, description="No job was created.")
    model: str = Field(examples=["preview-lipsync"])
    seconds: Percentiles | None = Field(
        description="From submission to end: the wait and the run. Null without an estimate of one."
    )
    gpu_seconds: Percentiles | None = Field(
        description="Time that a worker, and the GPU that it has, is held by the job."
    )
    queue: QueuePosition = Field(
        description="Where the job would stand. `eta_seconds` is 0 while a worker is idle; it does "
        "not include the start of a worker (`cold_start`) or its warm-up."
    )
    samples: int = Field(description="Past jobs of the model that the estimate is made of.")
    scaled: bool = Field(
        description="Whether the run times of past jobs were scaled by the amount of work: steps, "
        "frames and pixels, or seconds of voice. Else the input does not say how much it is, and "
        "the estimate is that of past jobs as they were."
    )
    reason: str | None = Field(
        description="Why there is no estimate, for people.",
        examples=["No job of preview-lipsync has succeeded yet, so there is nothing to go by."],
    )
