"""Settings of the models, read from environment variables."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _default_face_cache() -> Path:
    return Path(tempfile.gettempdir()) / "kinomill-faces"


class FaceSettings(BaseSettings):
    """Settings of the models that detect faces."""

    model_config = SettingsConfigDict(
        env_prefix="KINOMILL_",
        frozen=True,
        extra="ignore",
    )

    face_cache: Path | None = Field(default_factory=_default_face_cache)
    """Folder of the cache of face positions, 64 MiB at most: another job with the same video
    skips face detection. Empty: no cache."""

    @field_validator("face_cache", mode="before")
    @classmethod
    def _empty_is_none(cls, folder: Any) -> Any:
        return folder or None
