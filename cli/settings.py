"""What the command line is told by its environment."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class CliSettings(BaseSettings):
    """Settings of `framemill`. What is unset is embedded, or made up and kept in the home."""

    model_config = SettingsConfigDict(
        env_prefix="FRAMEMILL_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    url: str = "http://127.0.0.1:8000"
    """The API that commands such as `submit` and `status` talk to."""
    key: SecretStr | None = None
    """A key of that API (`fm_…`), if it asks for one."""
    home: Path | None = None
    """Where `up` keeps its servers, results and logs."""
    database_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_URL", "database_url")
    )
    """A PostgreSQL of your own instead of the embedded one."""
    redis_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("REDIS_URL", "redis_url")
    )
    """A Redis or Valkey of your own instead of the embedded one."""
    storage: str | None = None
    """A folder or a bucket of your own for inputs and results."""
    secret_key: SecretStr | None = None
    """Signs links to local results."""
    allow_anonymous: bool = False
    """Let the API listen beyond this machine without keys, e.g. behind a gateway of your own."""
    xdg_data_home: Path | None = Field(
        default=None, validation_alias=AliasChoices("XDG_DATA_HOME", "xdg_data_home")
    )
    """The user's data folder, of which `up` takes a part as its home (variable `XDG_DATA_HOME`)."""


def environment(**changes: str) -> dict[str, str]:
    """The environment of this process with some variables changed, for a program to start."""
    return dict(os.environ) | changes
