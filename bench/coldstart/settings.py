"""Settings of the programs that the benchmark starts, read from environment variables."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class ColdstartSettings(BaseSettings):
    """Settings of `bench.coldstart.card`, which a worker imports."""

    model_config = SettingsConfigDict(env_prefix="COLDSTART_")

    manifest: Path
    """The `weights.toml` that the benchmark wrote."""
