"""Responses about shares, and what the holder of one sees of the job."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from api.jobs.responses import Progress
from api.results.responses import download_name
from api.shares.tokens import token_of
from jobs.states import Phase, State

if TYPE_CHECKING:
    from api.context.app_context import AppContext
    from jobs.shares.tables import Share
    from jobs.tables import Job

MAX_SECONDS = 30 * 24 * 3600
DEFAULT_SECONDS = 7 * 24 * 3600


class ShareRequest(BaseModel):
    """How long to share a job."""

    model_config = ConfigDict(extra="forbid", strict=True)

    expires_in: int = Field(
        default=DEFAULT_SECONDS,
        ge=60,
        le=MAX_SECONDS,
        description="Seconds until the link ends: a minute to 30 days. Default: 7 days.",
    )


class ShareResponse(BaseModel):
    """A link to a job for people without a key."""

    id: str = Field(examples=["share_019aa7e0c1de7c52b1f3d8a6f0a4b7c9"])
    job_id: str
    url: str = Field(description="The job as JSON, without its input. Whoever has it may read it.")
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, share: Share, context: AppContext) -> Self:
        """The response for a row."""
        return cls(
            id=share.id,
            job_id=share.job_id,
            url=share_url(share, context),
            created_at=share.created_at,
            expires_at=share.expires_at,
        )


class ShareList(BaseModel):
    """The valid shares of a job, newest first."""

    items: list[ShareResponse]


class SharedResult(BaseModel):
    """The result of a shared job."""

    url: str = Field(description="Redirects to a signed download URL.")
    filename: str
    content_type: str
    size_bytes: int
    sha256: str
    width: int
    height: int
    fps: float | None = Field(description="Null in a picture.")
    frames: int | None = Field(description="Null in a picture.")
    duration_seconds: float | None = Field(description="Null in a picture.")
    has_audio: bool | None = Field(description="Null in a picture.")

    @classmethod
    def of(cls, result: dict[str, Any], model: str, job_id: str, url: str) -> Self:
        """The response for the stored result of a job."""
        rate = result["fps"]
        fps = None if rate is None else float(Fraction(rate))
        filename = download_name(result, model, job_id)
        own = {"url": f"{url}/result", "filename": filename, "fps": fps}
        return cls.model_validate(result | own)


class SharedJob(BaseModel):
    """A job as the holder of a link sees it: no input, no labels, no webhook, no account."""

    model: str = Field(examples=["preview-lipsync"])
    license: str = Field(description="License of the model's weights.")
    status: State
    phase: Phase | None
    progress: Progress
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    result: SharedResult | None = Field(description="Null until there is one, and once deleted.")
    error_code: str | None = Field(description="Why the job failed.")
    share_expires_at: datetime
    links: dict[str, str] = Field(description="`self`; `result` and `poster` if there are any.")

    @classmethod
    def of(cls, share: Share, job: Job, context: AppContext) -> Self:
        """The response for a share and its job."""
        url = share_url(share, context)
        result = job.result if job.expired_at is None else None
        return cls(
            model=job.model,
            license=context.models.license_name(job.model),
            status=State(job.state),
            phase=Phase(job.phase) if job.phase else None,
            progress=Progress.of(job),
            created_at=job.created_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
            result=SharedResult.of(result, job.model, job.id, url) if result else None,
            error_code=job.error["code"] if job.error else None,
            share_expires_at=share.expires_at,
            links=_links(url, result),
        )


def share_url(share: Share, context: AppContext) -> str:
    """The link itself."""
    token = token_of(share.id, context.settings.secret_key.get_secret_value().encode())
    return f"{context.settings.public_url}/v1/shared/{token}"


def _links(url: str, result: dict[str, Any] | None) -> dict[str, str]:
    links = {"self": url}
    if result is not None:
        links["result"] = f"{url}/result"
        if "poster" in result:
            links["poster"] = f"{url}/poster"
    return links
