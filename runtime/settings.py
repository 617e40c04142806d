"""Settings of all programs, read from environment variables and secret files."""

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


def _seconds(value: Any) -> Any:
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


Duration = Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta(0))]
"""A duration: seconds, or ISO 8601 such as `PT2M`."""


def secrets_folder() -> Path | None:
    """The folder in which Compose and Kubernetes mount secrets: one file per variable, same name.

    Environment variables take precedence over these files.
    """
    folder = Path("/run/secrets")
    return folder if folder.is_dir() else None


def describe_errors(error: ValidationError) -> str:
    """A message that lists each missing or invalid setting on a line of its own."""
    lines = [f"{_variable(str(fault['loc'][0]))}: {fault['msg']}" for fault in error.errors()]
    return "\n  ".join(["settings are missing or invalid (see docs/settings.md):", *lines])


def _variable(field: str) -> str:
    return field if field.isupper() else f"KINOMILL_{field.upper()}"


class DatabaseSettings(BaseSettings):
    """Settings of a migration."""

    model_config = SettingsConfigDict(
        env_prefix="KINOMILL_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
        secrets_dir=secrets_folder(),
    )

    database_password: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_PASSWORD", "database_password")
    )
    """Password of the database, if `DATABASE_URL` has none (variable `DATABASE_PASSWORD`)."""
    database_url: SecretStr = Field(validation_alias=AliasChoices("DATABASE_URL", "database_url"))
    """URL of the PostgreSQL database (variable `DATABASE_URL`)."""

    @field_validator("database_url")
    @classmethod
    def _complete(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        return with_password(url, info.data.get("database_password"))


def with_password(url: SecretStr, password: SecretStr | None) -> SecretStr:
    """The URL with this password, unless it has one already."""
    parts = urlsplit(url.get_secret_value())
    if password is None or parts.password is not None or not parts.hostname:
        return url
    user, _, host = parts.netloc.rpartition("@")
    secret = quote(password.get_secret_value().strip(), safe="")
    return SecretStr(parts._replace(netloc=f"{user}:{secret}@{host}").geturl())


class Settings(DatabaseSettings):
    """Settings of all programs. Variables have the prefix `KINOMILL_` unless stated otherwise."""

    redis_url: SecretStr = Field(validation_alias=AliasChoices("REDIS_URL", "redis_url"))
    """URL of the Redis or Valkey broker (variable `REDIS_URL`)."""
    storage: str
    """Object storage for inputs and results: a folder, `file:///…` or `gs://bucket/prefix`."""
    secret_key: SecretStr = Field(min_length=32)
    """Secret that signs webhooks and links to local results, and binds uploaded files to their
    account. At least 32 characters; the same value in all programs."""
    public_url: str = "http://127.0.0.1:8000"
    """Public base URL of the API, used in links."""

    lease_ttl: Duration = timedelta(seconds=60)
    """A job is taken from a worker that sent no heartbeat for this long."""
    max_worker_losses: int = Field(default=3, ge=1)
    """A job fails as `worker_lost` when this many workers died while running it."""
    max_retries: int = Field(default=2, ge=0)
    """How often a job is retried after a temporary error (storage unavailable, disk full)."""

    max_preemptions: int = Field(default=20, ge=0)
    """How often a job may be preempted by workers that shut down, before it fails."""
    max_running_per_account: int | None = Field(default=None, ge=1)
    """Maximum number of running jobs per account. Further jobs wait. Unset: no limit."""
    result_ttl: Duration = timedelta(days=7)
    """How long inputs and result are kept after a job has ended. A job may ask for less."""

    log_format: str = Field(default="console", pattern="^(console|json)$")
    """`console` for readable logs, `json` for log collectors."""
    log_level: str = "INFO"
    """Minimum log level."""

    fetch_allow_http: bool = False
    """Allow plain http for input URLs and webhooks."""
    fetch_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Private networks allowed for input URLs and webhooks, on any port (a JSON list)."""
    max_image_bytes: int = Field(default=20_000_000, gt=0)
    """Maximum size of an image."""
    max_audio_bytes: int = Field(default=50_000_000, gt=0)
    """Maximum size of an audio file."""
    max_video_bytes: int = Field(default=200_000_000, gt=0)
    """Maximum size of a video."""

    accept_licenses: frozenset[str] = frozenset()
    """Names of models whose non-commercial license you accept (a JSON list)."""
    scratch: Path = Path(tempfile.gettempdir())
    """Folder for temporary files of running jobs; cleared after each attempt."""

    @field_validator("storage")
    @classmethod
    def _folder_or_bucket(cls, uri: str) -> str:
        if not _STORE.fullmatch(uri):
            raise ValueError(f"{uri!r} must be /folder, file:///folder or gs://bucket/prefix")
        return uri
