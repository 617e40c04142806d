"""Responses about results."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Self

from pydantic import BaseModel, Field

_URL = "Redirects to a signed download URL, which is created for each request."


class ResultFile(BaseModel):
    """A further file that a job produced beside its video."""

    name: str = Field(examples=["voice.wav"])
    url: str = Field(description=_URL)
    content_type: str = Field(examples=["audio/wav"])
    size_bytes: int
    sha256: str


class Result(BaseModel):
    """The video that a job produced."""

    url: str = Field(description=_URL)
    content_type: str = Field(examples=["video/mp4"])
    size_bytes: int
    sha256: str
    width: int
    height: int
    fps: float = Field(description="Frames per second.", examples=[25, 29.97002997002997])
    fps_fraction: str = Field(description="The same, exactly.", examples=["25", "30000/1001"])
    frames: int
    duration_seconds: float
    has_audio: bool
    notes: dict[str, Any] = Field(default={}, description="Figures specific to the model.")
    files: list[ResultFile] = Field(default=[], description="Further files of the job.")

    @classmethod
    def of(cls, result: dict[str, Any], job_url: str) -> Self:
        """The response for the stored result of a job."""
        files = [
            file | {"url": f"{job_url}/files/{file['name']}"} for file in result.get("files", [])
        ]
        rate = {"fps": float(Fraction(result["fps"])), "fps_fraction": result["fps"]}
        return cls.model_validate(result | rate | {"url": f"{job_url}/result", "files": files})
