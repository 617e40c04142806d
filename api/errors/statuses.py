"""HTTP statuses of error codes: the only place that maps one to the other."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from jobs.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUSES: Mapping[ErrorCode, tuple[HTTPStatus, ...]] = {
    ErrorCode.INVALID_JSON: (HTTPStatus.BAD_REQUEST,),
    ErrorCode.INVALID_INPUT: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    ),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE,),
    ErrorCode.BODY_TOO_LARGE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE,),
    ErrorCode.UNKNOWN_MODEL: (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND),
    ErrorCode.MODEL_REQUIRED: (HTTPStatus.BAD_REQUEST,),
    ErrorCode.LICENSE_NOT_ACCEPTED: (HTTPStatus.FORBIDDEN,),
    ErrorCode.INVALID_CURSOR: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.INVALID_IDEMPOTENCY_KEY: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.IDEMPOTENCY_MISMATCH: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.JOB_NOT_FOUND: (HTTPStatus.NOT_FOUND,),
    ErrorCode.BATCH_NOT_FOUND: (HTTPStatus.NOT_FOUND,),
    ErrorCode.DELIVERY_NOT_FOUND: (HTTPStatus.NOT_FOUND,),
    ErrorCode.INVALID_ROWS: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.JOB_NOT_FINISHED: (
        HTTPStatus.CONFLICT,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GATEWAY_TIMEOUT,
    ),
    ErrorCode.JOB_ALREADY_FINAL: (HTTPStatus.CONFLICT,),
    ErrorCode.JOB_WITHOUT_RESULT: (HTTPStatus.CONFLICT,),
    ErrorCode.NO_PREVIEW: (HTTPStatus.NOT_FOUND,),
    ErrorCode.NO_POSTER: (HTTPStatus.NOT_FOUND,),
    ErrorCode.VARIANT_NOT_AVAILABLE: (HTTPStatus.NOT_FOUND,),
    ErrorCode.SHARE_NOT_FOUND: (HTTPStatus.NOT_FOUND,),
    ErrorCode.SHARE_LIMIT: (HTTPStatus.CONFLICT,),
    ErrorCode.MODEL_WITHOUT_WEIGHTS: (HTTPStatus.CONFLICT,),
    ErrorCode.RESULT_EXPIRED: (HTTPStatus.GONE,),
    ErrorCode.INPUTS_EXPIRED: (HTTPStatus.GONE,),
    ErrorCode.NOT_REPRODUCIBLE: (HTTPStatus.CONFLICT,),
    ErrorCode.LINK_INVALID: (HTTPStatus.FORBIDDEN,),
    ErrorCode.NOT_FOUND: (HTTPStatus.NOT_FOUND,),
    ErrorCode.METHOD_NOT_ALLOWED: (HTTPStatus.METHOD_NOT_ALLOWED,),
    ErrorCode.DATABASE_UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE,),
    ErrorCode.STORAGE_UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE,),
    ErrorCode.REQUEST_TIMEOUT: (HTTPStatus.REQUEST_TIMEOUT,),
    ErrorCode.HEADERS_TOO_LARGE: (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,),
    ErrorCode.TOO_MANY_CONNECTIONS: (HTTPStatus.SERVICE_UNAVAILABLE,),
    ErrorCode.SERVER_STOPPING: (HTTPStatus.SERVICE_UNAVAILABLE,),
    ErrorCode.STORAGE_FULL: (HTTPStatus.INSUFFICIENT_STORAGE,),
    ErrorCode.SERVER_DISK_FULL: (HTTPStatus.INSUFFICIENT_STORAGE,),
    ErrorCode.SERVER_DISK_UNWRITABLE: (HTTPStatus.SERVICE_UNAVAILABLE,),
    ErrorCode.TOO_MANY_UPLOADS: (HTTPStatus.SERVICE_UNAVAILABLE,),
    ErrorCode.NOT_SUPPORTED: (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND),
    ErrorCode.TOO_MANY_STREAMS: (HTTPStatus.TOO_MANY_REQUESTS,),
    ErrorCode.STREAMS_FULL: (HTTPStatus.SERVICE_UNAVAILABLE,),
    ErrorCode.UNAUTHORIZED: (HTTPStatus.UNAUTHORIZED,),
    ErrorCode.INSUFFICIENT_SCOPE: (HTTPStatus.FORBIDDEN,),
    ErrorCode.HOST_NOT_ALLOWED: (HTTPStatus.MISDIRECTED_REQUEST,),
    ErrorCode.ORIGIN_NOT_ALLOWED: (HTTPStatus.FORBIDDEN,),
    ErrorCode.ACCOUNT_LIMIT: (HTTPStatus.TOO_MANY_REQUESTS,),
    ErrorCode.JOBS_PER_DAY: (HTTPStatus.TOO_MANY_REQUESTS,),
    ErrorCode.GPU_SECONDS_PER_DAY: (HTTPStatus.TOO_MANY_REQUESTS,),
    ErrorCode.STORED_BYTES: (HTTPStatus.TOO_MANY_REQUESTS,),
    ErrorCode.SUBMISSIONS_PER_MINUTE: (HTTPStatus.TOO_MANY_REQUESTS,),
    ErrorCode.MAINTENANCE_MODE: (HTTPStatus.SERVICE_UNAVAILABLE,),
    ErrorCode.WORKER_NOT_FOUND: (HTTPStatus.NOT_FOUND,),
    ErrorCode.QUEUE_FULL: (HTTPStatus.SERVICE_UNAVAILABLE,),
    ErrorCode.INTERNAL_ERROR: (HTTPStatus.INTERNAL_SERVER_ERROR,),
    ErrorCode.URL_NOT_ALLOWED: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.FETCH_FAILED: (),
    ErrorCode.FETCH_TIMEOUT: (),
    ErrorCode.FILE_NOT_FOUND: (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND),
    ErrorCode.FILE_IN_USE: (HTTPStatus.CONFLICT,),
    ErrorCode.FILE_QUOTA: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE,),
    ErrorCode.FILE_NOT_READY: (HTTPStatus.CONFLICT,),
    ErrorCode.FILE_MISMATCH: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.INPUT_TOO_LARGE: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.INVALID_DATA_URI: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.UNSUPPORTED_MEDIA: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.MEDIA_UNREADABLE: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.TOO_LARGE: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.TOO_SMALL: (HTTPStatus.UNPROCESSABLE_ENTITY,),
    ErrorCode.WORKER_LOST: (),
    ErrorCode.NOT_STARTED_IN_TIME: (),
    ErrorCode.WEIGHTS_CHANGED: (),
    ErrorCode.TIMEOUT: (),
    ErrorCode.STALLED: (),
    ErrorCode.DISK_FULL: (),
    ErrorCode.DISK_UNWRITABLE: (),
    ErrorCode.WEIGHTS_UNAVAILABLE: (),
    ErrorCode.GPU_OUT_OF_MEMORY: (),
    ErrorCode.MODEL_ERROR: (),
}
"""The usual status of each code first, then the others; none for codes of failed jobs only."""


def status_of(code: ErrorCode) -> HTTPStatus:
    """The usual status of a code, 422 for one that is normally seen only in failed jobs."""
    return next(iter(STATUSES[code]), HTTPStatus.UNPROCESSABLE_ENTITY)
