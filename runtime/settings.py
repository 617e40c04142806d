"""Settings of all programs, read from environment variables and secret files."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator

from runtime.config.base import SettingsBase
from runtime.config.types import (
    BucketUri,
    CaBundle,
    DatabaseUrl,
    Duration,
    Folder,
    HttpUrl,
    Network,
    ProxyUrl,
    RedisUrl,
    SecretKey,
    StoreUri,
)
from runtime.config.unknown import unknown_variables
from runtime.postgres.pooler import Pooler

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel

_SECRET_NAMES = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_PASS")
"""Ends of the names of variables that hold secrets, also of those that only libraries read."""
_URL_NAMES = ("_URL", "_URI", "_DSN")
"""The same for addresses that may have a password."""


def unknown_settings() -> list[str]:
    """One sentence for each variable of this process that looks like a setting and is none."""
    return unknown_variables(os.environ)


def warn_of_unknown_settings() -> None:
    """Log a warning for each variable that looks like a setting and is none."""
    warn_of_settings(unknown_settings())


def warn_of_settings(sentences: Iterable[str]) -> None:
    """Log a warning for each sentence about a setting that has no effect."""
    import structlog

    log = structlog.get_logger()
    for sentence in sentences:
        log.warning("unknown setting", detail=sentence)


def secret_values(settings: BaseModel) -> set[str]:
    """The secrets that this process knows, for its log to leave out: passwords, keys, tokens."""
    given = [value for name, value in os.environ.items() if name.endswith(_SECRET_NAMES)]
    urls = (value for name, value in os.environ.items() if name.endswith(_URL_NAMES))
    given += filter(None, map(_password_of, urls))
    for value in dict(settings).values():
        given += _secrets_in(value)
    return {one for one in given if one.strip()}


def _secrets_in(value: object) -> Iterator[str]:
    """A secret, and the password of a URL as it is and as it is written there."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return
    password = _password_of(text)
    if password is not None:
        yield from (password, unquote(password))
    elif isinstance(value, SecretStr) and "://" not in text:
        yield text


def _password_of(url: str) -> str | None:
    """The password in a URL, unless it is the name of its user, which is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.password if parts.password != parts.username else None


class LogSettings(SettingsBase):
    """Settings of the logs of every program."""

    log_format: Literal["console", "json"] = "console"
    """`console` for readable logs, `json` for log collectors."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """Minimum log level: `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`."""


class DatabaseSettings(SettingsBase):
    """Settings of a migration."""

    database_password: Annotated[SecretStr | None, "any_text"] = Field(
        default=None, validation_alias=AliasChoices("DATABASE_PASSWORD", "database_password")
    )
    """Password of the database, if `DATABASE_URL` has none (variable `DATABASE_PASSWORD`)."""
    database_url: DatabaseUrl = Field(
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
        examples=["postgresql://kinomill@db.example.com:5432/kinomill"],
    )
    """URL of the PostgreSQL database (variable `DATABASE_URL`)."""
    database_pooler: Pooler = Pooler.NONE
    """`transaction`: `DATABASE_URL` leads to PgBouncer in transaction mode, or the like. Then no
    prepared statements and no other state of a session are used (see connections.md)."""

    @field_validator("database_url")
    @classmethod
    def _complete(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        return with_password(url, info.data.get("database_password"))


class MigrationSettings(DatabaseSettings):
    """Settings of `kinomill migrate`."""

    migration_database_url: DatabaseUrl | None = Field(
        default=None, examples=["postgresql://kinomill@db.example.com:5432/kinomill"]
    )
    """URL of the database itself for migrations, which a pooler cannot run. Required with
    `KINOMILL_DATABASE_POOLER=transaction`; unset otherwise: `DATABASE_URL`."""

    @field_validator("migration_database_url")
    @classmethod
    def _complete_direct(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return url and with_password(url, info.data.get("database_password"))

    @property
    def direct_url(self) -> str:
        """The URL of the database itself. Raises `ValueError` if only that of a pooler is set."""
        return direct_url(self.database_url, self.migration_database_url, self.database_pooler)


def direct_url(url: SecretStr, migration_url: SecretStr | None, pooler: Pooler) -> str:
    """The URL for migrations. Raises `ValueError` if only that of a pooler is set."""
    if migration_url is None and pooler is Pooler.TRANSACTION:
        raise ValueError(
            "migrations cannot run through a pooler in transaction mode: set "
            "KINOMILL_MIGRATION_DATABASE_URL to the URL of the database itself"
        )
    return (migration_url or url).get_secret_value()


def with_password(url: SecretStr, password: SecretStr | None) -> SecretStr:
    """The URL with this password, unless it has one already."""
    parts = urlsplit(url.get_secret_value())
    if password is None or parts.password is not None or not parts.hostname:
        return url
    user, _, host = parts.netloc.rpartition("@")
    secret = quote(password.get_secret_value().strip(), safe="")
    return SecretStr(parts._replace(netloc=f"{user}:{secret}@{host}").geturl())


class Settings(DatabaseSettings, LogSettings):
    """Settings of all programs. Variables have the prefix `KINOMILL_` unless stated otherwise."""

    redis_url: RedisUrl = Field(
        validation_alias=AliasChoices("REDIS_URL", "redis_url"),
        examples=["redis://redis.example.com:6379/0"],
    )
    """URL of the Redis or Valkey broker (variable `REDIS_URL`)."""
    storage: StoreUri = Field(examples=["/srv/kinomill/objects"])
    """Object storage for inputs and results: a folder, `file:///…`, `gs://bucket/prefix` or
    `s3://bucket/prefix`."""
    s3_endpoint: HttpUrl | None = Field(default=None, examples=["https://minio.example.com"])
    """Address of the store of `s3://`, such as MinIO or Cloudflare R2. Unset: Amazon S3."""
    secret_key: SecretKey = Field(examples=["<output of: openssl rand -hex 32>"])
    """Secret that signs webhooks and links to local results, and binds uploaded files to their
    account. At least 32 characters; the same value in all programs."""
    public_url: HttpUrl = "http://127.0.0.1:8000"
    """Public base URL of the API, used in links. Its path, if any, is the prefix of all paths of
    the API, whether or not a proxy removes it: `https://example.com/mill`."""

    lease_ttl: Duration = timedelta(seconds=60)
    """A job is taken from a worker that sent no heartbeat for this long."""
    max_worker_losses: int = Field(default=3, ge=1)
    """A job fails as `worker_lost` when this many workers died while running it."""
    max_retries: int = Field(default=2, ge=0)
    """How often a job is retried after a temporary error (storage unavailable, disk full)."""

    max_preemptions: int = Field(default=20, ge=0)
    """How often a job may be preempted by workers that shut down, before it fails."""
    max_running_per_account: int | None = Field(default=None, ge=1, examples=[4])
    """Maximum number of running jobs per account. Further jobs wait. Unset: no limit."""
    max_active_per_account: int = Field(default=1000, ge=1)
    """Queued and running jobs that one account may have; further ones are rejected (429).
    Rows of batches wait, and take half of these places at most."""
    max_queue_length: int = Field(default=100_000, ge=1)
    """Queued jobs that one model may have; further ones are rejected (503). Rows of
    batches wait, and fill half of a queue at most."""
    max_queue_seconds: Duration = timedelta(hours=6)
    """Longest estimated wait of a new job; further ones are rejected (503). Rows of batches
    wait at half of it."""
    result_ttl: Duration = timedelta(days=7)
    """How long inputs and result are kept after a job has ended. A job may ask for less."""

    log_prompts: bool = False
    """Log the texts of each input, such as a prompt, when its attempt starts. Otherwise they are
    left out of every line."""

    fetch_allow_http: bool = False
    """Allow plain http for input URLs and webhooks."""
    fetch_networks: tuple[Network, ...] = Field(default=(), examples=[["10.0.0.0/8"]])
    """Private networks allowed for input URLs and webhooks, on any port."""
    fetch_ca_file: CaBundle | None = Field(
        default=None, examples=["/etc/ssl/certs/ca-certificates.crt"]
    )
    """File of the CA certificates (PEM) to trust for input URLs and webhooks, instead of the public
    ones of certifi."""
    fetch_proxy: ProxyUrl | None = Field(default=None, examples=["http://proxy.example.com:3128"])
    """HTTP proxy for input URLs and webhooks. It gets `CONNECT` with an address that was checked
    here; networks of `KINOMILL_FETCH_NETWORKS` are reached without it."""
    input_buckets: tuple[BucketUri, ...] = Field(
        default=(), examples=[["s3://footage", "gs://media/public"]]
    )
    """Buckets, or parts of them, whose objects inputs may name as `s3://…` and `gs://…`. Workers
    read them with their own credentials, so every account can read all that is listed here."""
    max_image_bytes: int = Field(default=20_000_000, gt=0)
    """Maximum size of an image."""
    max_audio_bytes: int = Field(default=50_000_000, gt=0)
    """Maximum size of an audio file."""
    max_video_bytes: int = Field(default=200_000_000, gt=0)
    """Maximum size of a video."""

    accept_licenses: frozenset[str] = Field(default=frozenset(), examples=[["wav2lip"]])
    """Names of models whose license you accept, where it forbids or restricts commercial use."""
    scratch: Folder = Path(tempfile.gettempdir())
    """Folder for temporary files of running jobs; cleared after each attempt. What long jobs keep
    for their next attempt lies there, too, until they end: on a volume it outlives the worker."""

    @field_validator("input_buckets")
    @classmethod
    def _apart_from_storage(cls, uris: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """No account may read the objects of others."""
        own = f"{str(info.data.get('storage', '')).rstrip('/')}/"
        for uri in uris:
            prefix = f"{uri.rstrip('/')}/"
            if own.startswith(prefix) or prefix.startswith(own):
                raise ValueError(f"should not contain {uri}: KINOMILL_STORAGE is there")
        return uris
