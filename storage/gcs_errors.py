"""What may go wrong with a bucket: what passes if we wait, and what we call the rest."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
import urllib3
from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import InvalidResponse

from storage.base import (
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageUnavailable,
    UploadCorrupted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_CUTS = (
    ConnectionError,
    TimeoutError,
    auth.TransportError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.TimeoutError,
)


@dataclass(frozen=True)
class Patience:
    """How long a bucket may be away. Each part of a transfer waits this long anew."""

    deadline_seconds: float = 120.0
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 15.0
    connect_seconds: float = 10.0
    read_seconds: float = 60.0

    def arguments(self) -> dict[str, object]:
        """Return `retry` and `timeout` as Google's client takes them."""
        retry = Retry(
            predicate=is_passing,
            initial=self.first_wait_seconds,
            maximum=self.longest_wait_seconds,
            timeout=self.deadline_seconds,
            on_error=_release,
        )
        return {"retry": retry, "timeout": (self.connect_seconds, self.read_seconds)}


def is_passing(error: Exception) -> bool:
    """Tell whether the same call may succeed a little later."""
    if isinstance(error, auth.RefreshError):
        return bool(error.retryable)
    return isinstance(error, _CUTS) or _status_of(error) in _PASSING_STATUSES


def is_lost_session(error: Exception) -> bool:
    """Tell whether the bucket forgot an upload half-way: it must begin again.

    Google's client raises `ValueError` when the bucket kept less of a part than was sent.
    """
    if isinstance(error, ValueError):
        return True
    return _status_of(error) in {404, 410} and _method_of(error) == "PUT"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the errors of Google's client into ours."""
    try:
        yield
    except (api.GoogleAPIError, auth.GoogleAuthError, requests.RequestException) as error:
        _release(error)
        raise _ours(error, what) from error
    except (ConnectionError, TimeoutError, urllib3.exceptions.HTTPError) as error:
        raise StorageUnavailable(f"{what}: {error}") from error


def _ours(error: Exception, what: str) -> StorageError:
    status = _status_of(error)
    if status == 404:
        return ObjectNotFound(what)
    if status == 412:
        return ObjectExists(what)
    if status == 400 and "crc32c" in str(error).lower():
        return UploadCorrupted(f"{what}: the bucket refused it, its checksum was wrong")
    if isinstance(error, api.RetryError) or is_passing(error):
        return StorageUnavailable(f"{what}: {error}")
    if status in {401, 403} or isinstance(error, auth.GoogleAuthError):
        return StorageDenied(f"{what}: {error}")
    return StorageError(f"{what}: {error}")


def _release(error: Exception) -> None:
    """Free the connection of a refused download: Google's client leaves its answer unread."""
    response = getattr(error, "response", None)
    if isinstance(response, requests.Response):
        response.close()


def _status_of(error: Exception) -> int | None:
    if isinstance(error, InvalidResponse):
        return int(error.response.status_code)
    return int(error.code) if isinstance(error, api.GoogleAPICallError) and error.code else None


def _method_of(error: Exception) -> str | None:
    response = getattr(error, "response", None)
    request = getattr(response, "request", None)
    return getattr(request, "method", None)
