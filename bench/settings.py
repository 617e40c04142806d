"""What the programs that a bench starts are told by their environment."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class ColdstartSettings(BaseSettings):
    """Of `bench.coldstart_card`, which a worker imports."""

    model_config = SettingsConfigDict(env_prefix="COLDSTART_")

    manifest: Path
    """The `weights.toml` that the bench wrote."""
