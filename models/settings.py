"""What the models are told by the environment."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / "kinomill-faces"


class FaceSettings(BaseSettings):
    """Settings of all models that look for faces."""

    model_config = SettingsConfigDict(
        env_prefix="KINOMILL_",
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    face_cache: Path | None = Field(default_factory=_folder)
    """Where the places of faces in clips are kept, 64 MiB at most, so that the next job with the
    same clip does not search again. Empty: they are not kept."""

    @field_validator("face_cache", mode="before")
    @classmethod
    def _empty_is_none(cls, folder: Any) -> Any:
        return folder or None
