"""Where weights are kept and where they come from, as the environment tells it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _home() -> Path:
    base = os.environ.get("XDG_DATA_HOME", "")
    return Path(base) if base.startswith("/") else Path.home() / ".local" / "share"


class WeightsSettings(BaseSettings):
    """Settings of the volume and its sources; workers and `kinomill models` read them."""

    model_config = SettingsConfigDict(
        env_prefix="KINOMILL_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    weights: Path = Field(default_factory=lambda: _home() / "kinomill" / "weights")
    """The volume: a folder for the weights of all models, may be shared by many workers."""
    weights_mirror: str | None = Field(default=None, pattern="^(gs|file)://")
    """A mirror made by `kinomill models push`: asked before the sources of the manifest."""
    weights_profiles: dict[str, str] = Field(default_factory=dict)
    """Profile of each model, e.g. `{"wan2.2-i2v": "gguf-q5_0"}`; else the manifest's default."""
    weights_adopt: tuple[Path, ...] = ()
    """Folders that may hold the files already: caches of the Hub, a baked image (a JSON list)."""
    weights_strict: bool = True
    """Whether a file must have a known hash, size and commit before it is pulled."""
    weights_connections: int = Field(default=16, ge=1, le=64)
    """How many ranges are fetched at once, over all files."""
    weights_stall_seconds: float = Field(default=30, gt=0)
    """A connection that brings nothing for longer is opened again."""
    weights_patience: timedelta = timedelta(minutes=10)
    """How long a source may be away in all before a pull gives up."""

    hf_token: SecretStr | None = Field(default=None, validation_alias=AliasChoices("HF_TOKEN"))
    """Token for gated repositories of the Hub (variable `HF_TOKEN`)."""
    hf_endpoint: str = Field(
        default="https://huggingface.co", validation_alias=AliasChoices("HF_ENDPOINT")
    )
    """The Hub, or a mirror of it (variable `HF_ENDPOINT`)."""
