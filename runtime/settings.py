"""What every program of Kinomill is told by its environment."""

from __future__ import annotations

import re
import tempfile
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

_NUMBER = re.compile(r"\d+(\.\d+)?")
_STORE = re.compile(r"gs://[^/]+(/.*)?|file:///.+|(?!.*://).+")


def _seconds(length: Any) -> Any:
    return float(length) if isinstance(length, str) and _NUMBER.fullmatch(length) else length


Duration = Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta(0))]
"""A length of time: seconds, or ISO 8601 such as `PT2M`."""


def secrets_folder() -> Path | None:
    """Where Compose and Kubernetes lay secrets: a file for each variable, named like it.

    What the environment says counts before what lies there.
    """
    folder = Path("/run/secrets")
    return folder if folder.is_dir() else None


def describe_errors(error: ValidationError) -> str:
    """What is wrong with the settings, for whoever started the program: a line for each."""
    lines = [f"{_variable(str(fault['loc'][0]))}: {fault['msg']}" for fault in error.errors()]
    return "\n  ".join(["settings are missing or wrong (see docs/settings.md):", *lines])


def _variable(field: str) -> str:
    return field if field.isupper() else f"KINOMILL_{field.upper()}"


class DatabaseSettings(BaseSettings):
    """All that a migration needs to know."""

    model_config = SettingsConfigDict(
        env_prefix="KINOMILL_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        secrets_dir=secrets_folder(),
    )

    database_password: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_PASSWORD", "database_password")
    )
    """The password, if it is not part of `DATABASE_URL` (variable `DATABASE_PASSWORD`)."""
    database_url: SecretStr = Field(validation_alias=AliasChoices("DATABASE_URL", "database_url"))
    """The PostgreSQL that holds the record (variable `DATABASE_URL`)."""

    @field_validator("database_url")
    @classmethod
    def _complete(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        return with_password(url, info.data.get("database_password"))


def with_password(url: SecretStr, password: SecretStr | None) -> SecretStr:
    """An address of a database with this password, if it has none of its own."""
    parts = urlsplit(url.get_secret_value())
    if password is None or parts.password is not None or not parts.hostname:
        return url
    user, _, host = parts.netloc.rpartition("@")
    secret = quote(password.get_secret_value().strip(), safe="")
    return SecretStr(parts._replace(netloc=f"{user}:{secret}@{host}").geturl())


class Settings(DatabaseSettings):
    """Settings common to all programs. Each variable is prefixed `KINOMILL_` unless it says so."""

    redis_url: SecretStr = Field(validation_alias=AliasChoices("REDIS_URL", "redis_url"))
    """The Redis or Valkey that rings the workers (variable `REDIS_URL`)."""
    storage: str
    """Where inputs and results lie: a folder, `file:///…` or `gs://bucket/prefix`."""
    secret_key: SecretStr = Field(min_length=32)
    """Signs links to local results and webhooks, and binds uploaded files to their account. At
    least 32 characters, the same in all programs."""
    public_url: str = "http://127.0.0.1:8000"
    """How callers reach the API: links begin with it."""

    lease_ttl: Duration = timedelta(seconds=60)
    """A worker that is silent for longer has lost its job."""
    max_worker_losses: int = Field(default=3, ge=1)
    """A job that took this many workers down with it is failed as `worker_lost`."""
    max_retries: int = Field(default=2, ge=0)
    """How often a passing error (storage away, disk full) is tried again."""

    max_preemptions: int = Field(default=20, ge=0)
    """How often a job may be given back by a worker that was told to stop."""
    max_running_per_account: int | None = Field(default=None, ge=1)
    """How many jobs of one account run at once; the others wait, and leave workers to others."""
    result_ttl: Duration = timedelta(days=7)
    """How long inputs and result of a job are kept after its end, unless it says less."""

    log_format: str = Field(default="console", pattern="^(console|json)$")
    """`console` for people, `json` for machines."""
    log_level: str = "INFO"
    """The least severe level that is written."""

    fetch_allow_http: bool = False
    """Whether inputs may come, and webhooks go, over plain http."""
    fetch_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Private networks that inputs may come from, and webhooks go to (a JSON list)."""
    max_image_bytes: int = Field(default=20_000_000, gt=0)
    """The largest picture."""
    max_audio_bytes: int = Field(default=50_000_000, gt=0)
    """The largest voice."""
    max_video_bytes: int = Field(default=200_000_000, gt=0)
    """The largest clip."""

    accept_licenses: frozenset[str] = frozenset()
    """Names of models whose non-commercial license the operator has accepted (a JSON list)."""
    scratch: Path = Path(tempfile.gettempdir())
    """Where a running job keeps its files; cleared after each attempt."""

    @field_validator("storage")
    @classmethod
    def _folder_or_bucket(cls, uri: str) -> str:
        if not _STORE.fullmatch(uri):
            raise ValueError(f"{uri!r} is not /folder, file:///folder or gs://bucket/prefix")
        return uri
