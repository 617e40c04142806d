"""Settings of the server's commands, read from environment variables."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.settings import secrets_folder, with_password


class CliSettings(BaseSettings):
    """Settings of `kinomill`. What is unset is embedded, or made up and kept in the home."""

    model_config = SettingsConfigDict(
        env_prefix="KINOMILL_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        use_attribute_docstrings=True,
        secrets_dir=secrets_folder(),
    )

    home: Path | None = None
    """Where `up` keeps its servers, results and logs."""
    database_password: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_PASSWORD", "database_password")
    )
    """Its password, if it is not part of `DATABASE_URL`."""
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

    @field_validator("database_url")
    @classmethod
    def _complete(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return url and with_password(url, info.data.get("database_password"))


def environment(**changes: str) -> dict[str, str]:
    """The environment of this process with some variables changed, for a program to start."""
    return dict(os.environ) | changes
