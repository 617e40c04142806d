"""The parts of a job that change while a stream follows it, and the events that show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from api.jobs.responses import JobResponse, Progress, QueuePosition
from api.results.responses import preview_etag
from jobs.states import Phase, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


class StatusChange(BaseModel):
    """What happens to the job."""

    status: State
    phase: Phase | None
    attempt: int
    cancel_requested: bool


class QueueChange(BaseModel):
    """The position in the queue; null when the job is not queued any more."""

    queue: QueuePosition | None


class PreviewChange(BaseModel):
    """A new preview."""

    url: str
    etag: str = Field(description="The ETag with which the preview is sent.")


@dataclass(frozen=True)
class JobParts:
    """What a caller sees of a job at one moment, without what never changes."""

    status: StatusChange
    queue: QueuePosition | None
    progress: Progress
    preview: PreviewChange | None

    @classmethod
    def of(cls, job: JobResponse, preview_at: datetime | None) -> JobParts:
        """The parts of a job whose preview is of this time."""
        status = StatusChange.model_validate(job, from_attributes=True)
        preview = None
        if preview_at is not None and "preview" in job.links:
            etag = preview_etag(job.attempt, preview_at)
            preview = PreviewChange(url=job.links["preview"], etag=etag)
        return cls(status, job.queue, job.progress, preview)

    def changes_since(self, before: JobParts) -> Iterator[tuple[str, BaseModel]]:
        """Name and data of an event for each part that differs."""
        if self.status != before.status:
            yield "status", self.status
        if self.queue != before.queue:
            yield "queue", QueueChange(queue=self.queue)
        if self.progress != before.progress:
            yield "progress", self.progress
        if self.preview and self.preview != before.preview:
            yield "preview", self.preview
