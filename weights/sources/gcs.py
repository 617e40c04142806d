"""Files in a bucket of Google Cloud Storage: Google's client knows who we are, we read the bytes.

Google's own downloads make bytes objects of all pieces; the same ranges on our connections cost
about a tenth of the processor time (docs/weights.md).
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

from weights.errors import AccessDenied, NotAtSource, SourceUnavailable, WeightsError
from weights.sources.base import Remote
from weights.sources.ranges import Found, HttpFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weights.sources.http_client import Connections

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
_TIMEOUT = (10.0, 30.0)
"""Seconds to connect, and to wait for metadata."""


def machine_client() -> storage.Client:
    """Return a client with the credentials of this machine, or none: public buckets need none."""
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except auth.DefaultCredentialsError:
        return storage.Client.create_anonymous_client()
    return storage.Client(project=None, credentials=credentials)


class Buckets:
    """All buckets that one client reaches."""

    def __init__(self, client: storage.Client, connections: Connections) -> None:
        self._client = client
        self._connections = connections
        self._lock = Lock()

    def file(self, bucket: str, key: str) -> HttpFile:
        """Make a source of `gs://bucket/key`."""
        name = f"gs://{bucket}/{key}"
        return HttpFile(name, self._connections, lambda: self._look(bucket, key))

    def _look(self, bucket: str, key: str) -> Found:
        """Ask for size and generation; the address names the generation, so it cannot change."""
        name = f"gs://{bucket}/{key}"
        with _translated(name):
            blob: Any = self._client.bucket(bucket).blob(key)
            blob.reload(retry=None, timeout=_TIMEOUT)
            headers = self._headers()
        path = f"/download/storage/v1/b/{quote(bucket, safe='')}/o/{quote(key, safe='')}"
        url = f"{self._client.api_endpoint}{path}?alt=media&generation={blob.generation}"
        remote = Remote(blob.size, validator=str(blob.generation))
        return Found(remote, url, headers, may_expire=True)

    def _headers(self) -> dict[str, str]:
        """A token that is still good: it lasts for an hour, a refused one is looked up again."""
        credentials = self._client._credentials
        if isinstance(credentials, AnonymousCredentials):
            return {}
        with self._lock:
            if not credentials.valid:
                credentials.refresh(Request())
            return {"Authorization": f"Bearer {credentials.token}"}


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn the errors of Google's client into ours."""
    try:
        yield
    except (api.GoogleAPICallError, auth.GoogleAuthError) as error:
        raise _ours(error, name) from error
    except (OSError, requests.RequestException) as error:
        raise SourceUnavailable(f"{name}: {error}") from error


def _ours(error: Any, name: str) -> WeightsError:
    if isinstance(error, api.NotFound):
        return NotAtSource(f"{name}: there is no such object, or no such bucket")
    if isinstance(error, auth.TransportError) or getattr(error, "retryable", False):
        return SourceUnavailable(f"{name}: {error}")
    if isinstance(error, (api.Unauthorized, api.Forbidden, auth.GoogleAuthError)):
        return AccessDenied(
            f"{name}: the Google credentials of this machine do not open it, or it has none "
            f"(GOOGLE_APPLICATION_CREDENTIALS): {error}"
        )
    passing = error.code in {408, 429} or (error.code or 0) >= 500
    return (SourceUnavailable if passing else WeightsError)(f"{name}: {error}")
