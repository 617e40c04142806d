"""Settings of the server's commands, read from environment variables."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator

from runtime.config.base import SettingsBase
from runtime.config.types import (
    DatabaseUrl,
    Folder,
    HostName,
    Password,
    RedisUrl,
    SecretKey,
    StoreUri,
)
from runtime.postgres.pooler import Pooler
from runtime.settings import with_password


class CliSettings(SettingsBase):
    """Settings of `kinomill`; unset ones default to embedded servers and generated values."""

    home: Folder | None = Field(default=None, examples=["/srv/kinomill"])
    """Folder in which `up` stores its servers, results and logs."""
    database_password: Annotated[SecretStr | None, "any_text"] = Field(
        default=None, validation_alias=AliasChoices("DATABASE_PASSWORD", "database_password")
    )
    """Password of the database, if `DATABASE_URL` does not contain it."""
    database_url: DatabaseUrl | None = Field(
        default=None,
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
        examples=["postgresql://kinomill@db.example.com:5432/kinomill"],
    )
    """An external PostgreSQL instead of the embedded one."""
    database_pooler: Pooler = Pooler.NONE
    """`transaction`: `DATABASE_URL` leads to PgBouncer in transaction mode (see connections.md)."""
    migration_database_url: DatabaseUrl | None = Field(
        default=None, examples=["postgresql://kinomill@db.example.com:5432/kinomill"]
    )
    """URL of the database itself for migrations, which a pooler cannot run; required with
    `KINOMILL_DATABASE_POOLER=transaction`. Unset: `DATABASE_URL`."""
    redis_url: RedisUrl | None = Field(
        default=None,
        validation_alias=AliasChoices("REDIS_URL", "redis_url"),
        examples=["redis://redis.example.com:6379/0"],
    )
    """An external Redis or Valkey instead of the embedded one."""
    storage: StoreUri | None = Field(default=None, examples=["/srv/kinomill/objects"])
    """Folder or bucket for inputs and results, instead of a folder in `home`."""
    secret_key: SecretKey | None = Field(
        default=None, examples=["<output of: openssl rand -hex 32>"]
    )
    """Signs links to local results."""
    allow_anonymous: bool = False
    """Allow the API to listen on other addresses without API keys, e.g. behind your own gateway."""
    allowed_hosts: tuple[HostName, ...] = Field(default=(), examples=[["mill.lan"]])
    """Names under which Flower may be reached, beside loopback names; `*` allows all."""
    flower_password: Password | None = Field(default=None, examples=["a long random word"])
    """Password of Flower's page, for the user `kinomill`: 8 or more ASCII characters, no comma.
    `kinomill flower` requires it with `--control`, and with an address that other machines reach.
    """
    xdg_data_home: Folder | None = Field(
        default=None,
        validation_alias=AliasChoices("XDG_DATA_HOME", "xdg_data_home"),
        examples=["/home/me/.local/share"],
    )
    """The user's data folder; `home` is a subfolder of it by default (variable `XDG_DATA_HOME`)."""

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _complete(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return url and with_password(url, info.data.get("database_password"))


def environment(**changes: str) -> dict[str, str]:
    """The environment of this process with some variables changed, for starting a program."""
    return dict(os.environ) | changes


def variable(name: str) -> str | None:
    """A variable of this process without spaces and line ends around it. None: unset or empty."""
    return os.environ.get(name, "").strip() or None
