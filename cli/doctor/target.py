"""The installation to check: that of the environment, or a running `kinomill up`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cli.embedded.postgres import Postgres
from cli.embedded.valkey import Valkey
from cli.settings import variable
from kinomill.settings import ClientSettings
from runtime.postgres.pooler import Pooler

if TYPE_CHECKING:
    from pydantic import SecretStr

    from cli.settings import CliSettings

REDACTED = "***"


@dataclass(frozen=True)
class Target:
    """The address of each part of an installation; None if there is none."""

    home: Path
    database_url: str | None = field(repr=False)
    pooler: Pooler
    redis_url: str | None = field(repr=False)
    storage: str | None
    s3_endpoint: str | None
    secret_key: str | None = field(repr=False)
    public_url: str
    """URL under which clients reach the API."""
    scratch: Path
    """Folder for the files of running jobs."""
    configured: bool
    """Whether the environment names any part of it."""

    @classmethod
    def find(cls, settings: CliSettings, home: Path) -> Target:
        """Find the parts: those of the environment, and in place of unset ones those of `home`."""
        storage, secret = home / "objects", home / "secret"
        given = (settings.database_url, settings.redis_url, settings.storage)
        return cls(
            home=home,
            database_url=_secret(settings.database_url) or _running(Postgres(home)),
            pooler=settings.database_pooler if settings.database_url else Pooler.NONE,
            redis_url=_secret(settings.redis_url) or _running(Valkey(home)),
            storage=settings.storage or (str(storage) if storage.is_dir() else None),
            s3_endpoint=variable("KINOMILL_S3_ENDPOINT"),
            secret_key=_secret(settings.secret_key)
            or (secret.read_text() if secret.is_file() else None),
            public_url=variable("KINOMILL_PUBLIC_URL") or ClientSettings.from_environment().url,
            scratch=Path(variable("KINOMILL_SCRATCH") or tempfile.gettempdir()).expanduser(),
            configured=any(given),
        )

    @property
    def empty(self) -> bool:
        """Whether nothing is configured and nothing runs."""
        return not self.configured and self.database_url is None and self.redis_url is None

    def redacted(self, text: str) -> str:
        """Return a text without passwords and keys."""
        for secret in self._secrets():
            text = text.replace(secret, REDACTED)
        return text

    def _secrets(self) -> list[str]:
        found = [self.secret_key] if self.secret_key else []
        for url in (self.database_url, self.redis_url):
            password = _password(url or "")
            if password:
                found += [password, unquote(password)]
        return found


def _running(server: Postgres | Valkey) -> str | None:
    """Return the URL of an embedded server if it runs; start nothing."""
    return server.start() if server.running() else None


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return url
