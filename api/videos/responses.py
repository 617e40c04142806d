"""A job as a video of OpenAI's API, with further fields of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import BaseModel, Field

from api.jobs.responses import JobResponse, WaitEstimate
from jobs.states import Phase, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VideoStatus = Literal["queued", "in_progress", "completed", "failed"]

_STATUSES: Final[Mapping[State, VideoStatus]] = {
    State.QUEUED: "queued",
    State.RUNNING: "in_progress",
    State.SUCCEEDED: "completed",
    State.FAILED: "failed",
    State.CANCELED: "failed",
}


class VideoFailure(BaseModel):
    """Why there is no video."""

    code: str
    message: str
    param: str | None = Field(description="The input that caused it.")


class Video(BaseModel):
    """A video, or the job that makes it."""

    id: str = Field(description="The id of the job: `GET /v1/jobs/{id}` knows it, too.")
    object: Literal["video"] = "video"
    status: VideoStatus
    progress: int = Field(description="Percent of the current phase, rounded down.")
    model: str
    prompt: str | None
    seconds: str = Field(description="Length of the video; empty before it is known.")
    size: str = Field(description="WIDTHxHEIGHT; empty before it is known.")
    created_at: int = Field(description="Seconds since 1970.")
    completed_at: int | None
    expires_at: int | None
    remixed_from_video_id: None = None
    error: VideoFailure | None
    phase: Phase | None = Field(description="What a running job is doing.")
    queue_position: int | None
    eta_seconds: WaitEstimate | None = Field(description="Until it starts.")
    url: str | None = Field(description="Where the video is, once it is there.")
    links: dict[str, str]
    notes: list[str] = Field(
        default=[], description="What was ignored or rounded; in the response to the submission."
    )

    @classmethod
    def of(cls, job: JobResponse, notes: Sequence[str] = ()) -> Self:
        """The video of a job."""
        ended = job.ended_at
        return cls(
            id=job.id,
            status=_STATUSES[job.status],
            progress=100 if job.status == State.SUCCEEDED else int(job.progress.percent or 0),
            model=job.model,
            prompt=job.input.get("prompt") or job.input.get("text"),
            seconds=_seconds(job),
            size=_size(job),
            created_at=int(job.created_at.timestamp()),
            completed_at=int(ended.timestamp()) if ended else None,
            expires_at=int(job.expires_at.timestamp()) if job.expires_at else None,
            error=_failure(job),
            phase=job.phase,
            queue_position=job.queue.position if job.queue else None,
            eta_seconds=job.queue.eta_seconds if job.queue else None,
            url=job.result.url if job.result else None,
            links=job.links,
            notes=list(notes),
        )


class VideoPage(BaseModel):
    """A page of videos."""

    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @classmethod
    def of(cls, videos: list[Video], *, has_more: bool) -> Self:
        """A page of these videos."""
        first, last = (videos[0].id, videos[-1].id) if videos else (None, None)
        return cls(data=videos, first_id=first, last_id=last, has_more=has_more)


class DeletedVideo(BaseModel):
    """The answer to a deletion."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


def _failure(job: JobResponse) -> VideoFailure | None:
    if job.error is not None:
        return VideoFailure(code=job.error.code, message=job.error.detail, param=job.error.field)
    if job.status == State.CANCELED:
        return VideoFailure(code="canceled", message="The job was canceled.", param=None)
    return None


def _seconds(job: JobResponse) -> str:
    if job.result is not None and job.result.duration_seconds is not None:
        return f"{job.result.duration_seconds:g}"
    frames, fps = job.input.get("frames"), job.input.get("fps")
    return f"{frames / fps:g}" if frames and fps else ""


def _size(job: JobResponse) -> str:
    sides: Any = (job.input.get("width"), job.input.get("height"))
    if job.result is not None:
        sides = (job.result.width, job.result.height)
    return f"{sides[0]}x{sides[1]}" if all(sides) else ""
