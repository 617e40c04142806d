"""Retries of requests to Google Cloud Storage, and mapping of its errors to storage errors."""

from __future__ import annotations

from contextlib import contextmanager
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

    from storage.retry import RetryConfig

_RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_CONNECTION_ERRORS = (
    ConnectionError,
    TimeoutError,
    auth.TransportError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.TimeoutError,
)


def request_arguments(config: RetryConfig) -> dict[str, object]:
    """Return the arguments `retry` and `timeout` of Google's client."""
    retry = Retry(
        predicate=is_transient,
        initial=config.initial_delay_seconds,
        maximum=config.max_delay_seconds,
        timeout=config.deadline_seconds,
        on_error=_close_response,
    )
    return {"retry": retry, "timeout": (config.connect_seconds, config.read_seconds)}


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, auth.RefreshError):
        return bool(error.retryable)
    return isinstance(error, _CONNECTION_ERRORS) or _status_of(error) in _RETRYABLE_STATUSES


def is_lost_session(error: Exception) -> bool:
    """Return whether the bucket lost a resumable upload session: start a new one.

    Google's client raises `ValueError` when the bucket stored less of a chunk than was sent.
    """
    if isinstance(error, ValueError):
        return True
    return _status_of(error) in {404, 410} and _method_of(error) == "PUT"


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Map the errors of Google's client to `StorageError`s; `what` begins their messages."""
    try:
        yield
    except (api.GoogleAPIError, auth.GoogleAuthError, requests.RequestException) as error:
        _close_response(error)
        raise _to_storage_error(error, what) from error
    except (ConnectionError, TimeoutError, urllib3.exceptions.HTTPError) as error:
        raise StorageUnavailable(f"{what}: {error}") from error


def _to_storage_error(error: Exception, what: str) -> StorageError:
    status = _status_of(error)
    if status == 404:
        return ObjectNotFound(what)
    if status == 412:
        return ObjectExists(what)
    if status == 400 and "crc32c" in str(error).lower():
        return UploadCorrupted(f"{what}: the bucket rejected the upload: wrong checksum")
    if isinstance(error, api.RetryError) or is_transient(error):
        return StorageUnavailable(f"{what}: {error}")
    if status in {401, 403} or isinstance(error, auth.GoogleAuthError):
        return StorageDenied(f"{what}: {error}")
    return StorageError(f"{what}: {error}")


def _close_response(error: Exception) -> None:
    """Free the connection of a failed download: Google's client leaves its response unread."""
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
