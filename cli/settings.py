"""Settings of the server's commands, read from environment variables."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.settings import secrets_folder, with_password


class CliSettings(BaseSettings):
    """Settings of `kinomill`; unset ones default to embedded servers and generated values."""

    model_config = SettingsConfigDict(
        env_prefix="KINOMILL_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        secrets_dir=secrets_folder(),
    )

    home: Path | None = None
    """Folder in which `up` stores its servers, results and logs."""
    database_password: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_PASSWORD", "database_password")
    )
    """Password of the database, if `DATABASE_URL` does not contain it."""
    database_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_URL", "database_url")
    )
    """An external PostgreSQL instead of the embedded one."""
    redis_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("REDIS_URL", "redis_url")
    )
    """An external Redis or Valkey instead of the embedded one."""
    storage: str | None = None
    """Folder or bucket for inputs and results, instead of a folder in `home`."""
    secret_key: SecretStr | None = None
    """Signs links to local results."""
    allow_anonymous: bool = False
    """Allow the API to listen on other addresses without API keys, e.g. behind your own gateway."""
    xdg_data_home: Path | None = Field(
        default=None, validation_alias=AliasChoices("XDG_DATA_HOME", "xdg_data_home")
    )
    """The user's data folder; `home` is a subfolder of it by default (variable `XDG_DATA_HOME`)."""

    @field_validator("database_url")
    @classmethod
    def _complete(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return url and with_password(url, info.data.get("database_password"))


def environment(**changes: str) -> dict[str, str]:
    """The environment of this process with some variables changed, for starting a program."""
    return dict(os.environ) | changes
