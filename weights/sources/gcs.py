"""Download source: Google Cloud Storage. Google's client authenticates, our pool transfers.

Google's own downloader creates a bytes object per chunk; reading the same ranges through our
connection pool takes about a tenth of the CPU time (docs/weights.md).
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import google.auth
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import Request
from google.cloud import storage

from weights.errors import AccessDenied, SourceNotFound, SourceUnavailable, WeightsError
from weights.sources.base import RemoteFile
from weights.sources.http_source import HttpSource, ResolvedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weights.sources.http_client import ConnectionPool

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
_TIMEOUT = (10.0, 30.0)
"""Seconds to connect and to wait for metadata."""


def default_client() -> storage.Client:
    """Return a client with this machine's credentials; anonymous without any (public buckets)."""
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except auth.DefaultCredentialsError:
        return storage.Client.create_anonymous_client()
    return storage.Client(project=None, credentials=credentials)


class GcsSources:
    """Opens sources in all buckets that one client can access."""

    def __init__(self, client: storage.Client, pool: ConnectionPool) -> None:
        self._client = client
        self._pool = pool
        self._lock = Lock()

    def source(self, bucket: str, key: str) -> HttpSource:
        """Return the source of `gs://bucket/key`."""
        name = f"gs://{bucket}/{key}"
        return HttpSource(name, self._pool, lambda: self._resolve(bucket, key))

    def close(self) -> None:
        """Close the connections of Google's client."""
        self._client.close()

    def _resolve(self, bucket: str, key: str) -> ResolvedFile:
        """Request size and generation. The URL names the generation, so its content is fixed."""
        name = f"gs://{bucket}/{key}"
        with _gcs_errors(name):
            blob: Any = self._client.bucket(bucket).blob(key)
            blob.reload(retry=None, timeout=_TIMEOUT)
            headers = self._headers()
        path = f"/download/storage/v1/b/{quote(bucket, safe='')}/o/{quote(key, safe='')}"
        url = f"{self._client.api_endpoint}{path}?alt=media&generation={blob.generation}"
        remote = RemoteFile(blob.size, validator=str(blob.generation))
        return ResolvedFile(remote, url, headers, may_expire=True)

    def _headers(self) -> dict[str, str]:
        """Return an authorization header with a valid token. Tokens last one hour."""
        credentials = self._client._credentials
        if isinstance(credentials, AnonymousCredentials):
            return {}
        with self._lock:
            if not credentials.valid:
                credentials.refresh(Request())
            return {"Authorization": f"Bearer {credentials.token}"}


@contextmanager
def _gcs_errors(name: str) -> Iterator[None]:
    """Convert the errors of Google's client to `WeightsError`s."""
    try:
        yield
    except (api.GoogleAPICallError, auth.GoogleAuthError) as error:
        raise _convert(error, name) from error
    except (OSError, requests.RequestException) as error:
        raise SourceUnavailable(f"{name}: {error}") from error


def _convert(error: Any, name: str) -> WeightsError:
    if isinstance(error, api.NotFound):
        return SourceNotFound(f"{name}: the object or the bucket does not exist")
    if isinstance(error, auth.TransportError) or getattr(error, "retryable", False):
        return SourceUnavailable(f"{name}: {error}")
    if isinstance(error, (api.Unauthorized, api.Forbidden, auth.GoogleAuthError)):
        return AccessDenied(
            f"{name}: this machine has no Google credentials, or they lack permission to read it "
            f"(GOOGLE_APPLICATION_CREDENTIALS): {error}"
        )
    transient = error.code in {408, 429} or (error.code or 0) >= 500
    return (SourceUnavailable if transient else WeightsError)(f"{name}: {error}")
