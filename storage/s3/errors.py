"""Retries of requests to S3, and mapping of botocore's errors to storage errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import urllib3
from botocore import exceptions as aws
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from storage.base import (
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
    UploadCorrupted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.retry import RetryConfig

T = TypeVar("T")

_RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_RETRYABLE_CODES = frozenset({"RequestTimeout", "SlowDown"})
"""The first is a 400: the store waited for bytes that did not come."""
_CONFLICT = "ConditionalRequestConflict"
"""A 409: another writer of the same key was at work. The next try finds the key taken or free; an
upload in parts has to begin again for it."""
_CONNECTION_ERRORS = (
    aws.ConnectionError,
    aws.HTTPClientError,
    aws.IncompleteReadError,
    urllib3.exceptions.HTTPError,
    ConnectionError,
    TimeoutError,
)
_CORRUPTED = frozenset(
    {"BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "InvalidDigest"}
)
_FULL = frozenset({"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded"})


def call(retry: RetryConfig, action: Callable[[], T]) -> T:
    """Run an action, again after transient errors until the deadline. Raises its last error."""
    retrying = Retrying(
        retry=retry_if_exception(is_transient),
        stop=stop_after_delay(retry.deadline_seconds),
        wait=wait_random_exponential(
            multiplier=retry.initial_delay_seconds, max=retry.max_delay_seconds
        ),
        reraise=True,
    )
    return retrying(action)


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, aws.ClientError):
        return (
            status_of(error) in _RETRYABLE_STATUSES
            or code_of(error) in _RETRYABLE_CODES
            or (code_of(error) == _CONFLICT and error.operation_name == "PutObject")
        )
    return isinstance(error, _CONNECTION_ERRORS)


def is_lost_upload(error: aws.ClientError) -> bool:
    """Return whether the store no longer has a multipart upload, or wants it to begin again."""
    return code_of(error) in {"NoSuchUpload", "InvalidPart", _CONFLICT}


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Map botocore's errors to `StorageError`s; `what` begins their messages."""
    try:
        yield
    except aws.ClientError as error:
        raise _of_answer(error, what) from error
    except aws.BotoCoreError as error:
        if is_transient(error):
            raise StorageUnavailable(f"{what}: {error}") from error
        raise StorageDenied(f"{what}: {error}") from error  # credentials, or the configuration
    except (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError) as error:
        raise StorageUnavailable(f"{what}: {error}") from error


def code_of(error: aws.ClientError) -> str:
    """The code of an answer, e.g. `NoSuchKey`; its status as text where it has no body (HEAD)."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: aws.ClientError) -> int:
    """The HTTP status of an answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _of_answer(error: aws.ClientError, what: str) -> StorageError:
    code, status = code_of(error), status_of(error)
    if code == "NoSuchBucket":
        bucket = error.response["Error"].get("BucketName", "")
        return StorageError(f"{what}: bucket {bucket} does not exist")
    if code in _CORRUPTED:
        return UploadCorrupted(f"{what}: the bucket rejected the upload: {error}")
    if code in _FULL or status == 507:
        return StorageFull(f"{what}: {error}")
    if is_transient(error):
        return StorageUnavailable(f"{what}: {error}")
    kind = {404: ObjectNotFound, 412: ObjectExists, 401: StorageDenied, 403: StorageDenied}
    if status in kind:
        return kind[status](f"{what}: {error}")
    return StorageError(f"{what}: {error}")
