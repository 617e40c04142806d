"""Responses about results."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, Self

from pydantic import BaseModel, Field

SHORT_ID = 8
"""Digits of a job's id in the name of a file."""
_URL = "Redirects to a signed download URL, which is created for each request."


class ResultFile(BaseModel):
    """A further file that a job produced beside its result."""

    name: str = Field(examples=["voice.wav"])
    url: str = Field(description=_URL)
    content_type: str = Field(examples=["audio/wav"])
    size_bytes: int
    sha256: str


class Result(BaseModel):
    """The file that a job produced: a video, a picture or an archive, as `content_type` says."""

    url: str = Field(description=_URL)
    filename: str = Field(
        description="Its name as a download; the extension fits `content_type`.",
        examples=["kinomill-preview-lipsync-f0a4b7c9.mp4"],
    )
    content_type: str = Field(examples=["video/mp4", "image/png"])
    size_bytes: int
    sha256: str
    width: int
    height: int
    fps: float | None = Field(
        description="Frames per second; null in a picture.", examples=[25, 29.97002997002997]
    )
    fps_fraction: str | None = Field(
        description="The same, exactly.", examples=["25", "30000/1001"]
    )
    frames: int | None = Field(description="Null in a picture.")
    duration_seconds: float | None = Field(description="Null in a picture.")
    has_audio: bool | None = Field(description="Null in a picture.")
    notes: dict[str, Any] = Field(default={}, description="Figures specific to the model.")
    files: list[ResultFile] = Field(default=[], description="Further files of the job.")

    @classmethod
    def of(cls, result: dict[str, Any], model: str, job_id: str, job_url: str) -> Self:
        """The response for the stored result of a job."""
        files = [
            file | {"url": f"{job_url}/files/{file['name']}"} for file in result.get("files", [])
        ]
        rate = result["fps"]
        return cls.model_validate(
            result
            | {
                "url": f"{job_url}/result",
                "filename": download_name(result, model, job_id),
                "fps": None if rate is None else float(Fraction(rate)),
                "fps_fraction": rate,
                "files": files,
            }
        )


def preview_etag(attempt: int, at: datetime) -> str:
    """The ETag of the preview that an attempt stored at this time."""
    return f'"{attempt}-{at.timestamp():.6f}"'


def download_name(result: dict[str, Any], model: str, job_id: str) -> str:
    """The file name of a stored result, with the extension of what was made."""
    return file_name(model, job_id, PurePosixPath(result["key"]).suffix)


def file_name(model: str, job_id: str, end: str) -> str:
    """A name that people recognize among their downloads: what made it, and which job it was.

    The last digits of an id are random: its first are the time, so alike in jobs of one day.
    """
    return f"kinomill-{model}-{job_id[-SHORT_ID:]}{end}"
