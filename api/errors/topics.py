"""Error codes by topic, as the docs and the page of codes list them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.errors import ErrorCode as Code

if TYPE_CHECKING:
    from collections.abc import Mapping

MODELS: Final = "Failures of a model"
"""The codes that models declare themselves."""

TOPICS: Final[Mapping[str, tuple[Code, ...]]] = {
    "The request": (
        Code.INVALID_JSON,
        Code.INVALID_INPUT,
        Code.UNSUPPORTED_MEDIA_TYPE,
        Code.BODY_TOO_LARGE,
        Code.HEADERS_TOO_LARGE,
        Code.REQUEST_TIMEOUT,
        Code.INVALID_CURSOR,
        Code.INVALID_IDEMPOTENCY_KEY,
        Code.IDEMPOTENCY_MISMATCH,
        Code.NOT_SUPPORTED,
        Code.NOT_FOUND,
        Code.METHOD_NOT_ALLOWED,
    ),
    "Keys and access": (
        Code.UNAUTHORIZED,
        Code.INSUFFICIENT_SCOPE,
        Code.HOST_NOT_ALLOWED,
        Code.ORIGIN_NOT_ALLOWED,
        Code.LICENSE_NOT_ACCEPTED,
        Code.LINK_INVALID,
    ),
    "Jobs, batches and results": (
        Code.JOB_NOT_FOUND,
        Code.JOB_NOT_FINISHED,
        Code.JOB_ALREADY_FINAL,
        Code.JOB_WITHOUT_RESULT,
        Code.RESULT_EXPIRED,
        Code.INPUTS_EXPIRED,
        Code.NOT_REPRODUCIBLE,
        Code.NO_PREVIEW,
        Code.NO_POSTER,
        Code.VARIANT_NOT_AVAILABLE,
        Code.BATCH_NOT_FOUND,
        Code.INVALID_ROWS,
        Code.DELIVERY_NOT_FOUND,
        Code.SHARE_NOT_FOUND,
        Code.SHARE_LIMIT,
    ),
    "Models and workers": (
        Code.UNKNOWN_MODEL,
        Code.MODEL_REQUIRED,
        Code.MODEL_WITHOUT_WEIGHTS,
        Code.WORKER_NOT_FOUND,
    ),
    "Files and media": (
        Code.FILE_NOT_FOUND,
        Code.FILE_IN_USE,
        Code.FILE_QUOTA,
        Code.FILE_NOT_READY,
        Code.FILE_MISMATCH,
        Code.INPUT_TOO_LARGE,
        Code.INVALID_DATA_URI,
        Code.UNSUPPORTED_MEDIA,
        Code.MEDIA_UNREADABLE,
        Code.TOO_LARGE,
        Code.TOO_SMALL,
        Code.URL_NOT_ALLOWED,
        Code.FETCH_FAILED,
        Code.FETCH_TIMEOUT,
    ),
    "Limits and quotas": (
        Code.ACCOUNT_LIMIT,
        Code.QUEUE_FULL,
        Code.JOBS_PER_DAY,
        Code.GPU_SECONDS_PER_DAY,
        Code.STORED_BYTES,
        Code.SUBMISSIONS_PER_MINUTE,
        Code.TOO_MANY_UPLOADS,
        Code.TOO_MANY_STREAMS,
        Code.STREAMS_FULL,
        Code.TOO_MANY_CONNECTIONS,
        Code.MAINTENANCE_MODE,
    ),
    "The server": (
        Code.DATABASE_UNAVAILABLE,
        Code.STORAGE_UNAVAILABLE,
        Code.STORAGE_FULL,
        Code.SERVER_DISK_FULL,
        Code.SERVER_DISK_UNWRITABLE,
        Code.SERVER_STOPPING,
        Code.INTERNAL_ERROR,
    ),
    "Failures of a job": (
        Code.NOT_STARTED_IN_TIME,
        Code.WORKER_LOST,
        Code.TIMEOUT,
        Code.STALLED,
        Code.DISK_FULL,
        Code.DISK_UNWRITABLE,
        Code.WEIGHTS_UNAVAILABLE,
        Code.WEIGHTS_CHANGED,
        Code.GPU_OUT_OF_MEMORY,
        Code.MODEL_ERROR,
    ),
}
