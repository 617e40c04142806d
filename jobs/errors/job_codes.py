"""Which codes a job can end with."""

from __future__ import annotations

from typing import Final

from jobs.errors.codes import ErrorCode

JOB_CODES: Final = (
    ErrorCode.INTERNAL_ERROR,
    ErrorCode.STORAGE_UNAVAILABLE,
    ErrorCode.STORAGE_FULL,
    ErrorCode.LICENSE_NOT_ACCEPTED,
    ErrorCode.INVALID_INPUT,
    ErrorCode.URL_NOT_ALLOWED,
    ErrorCode.FETCH_FAILED,
    ErrorCode.FETCH_TIMEOUT,
    ErrorCode.FILE_NOT_FOUND,
    ErrorCode.INPUT_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MEDIA,
    ErrorCode.MEDIA_UNREADABLE,
    ErrorCode.TOO_LARGE,
    ErrorCode.TOO_SMALL,
    ErrorCode.WORKER_LOST,
    ErrorCode.NOT_STARTED_IN_TIME,
    ErrorCode.WEIGHTS_CHANGED,
    ErrorCode.TIMEOUT,
    ErrorCode.STALLED,
    ErrorCode.DISK_FULL,
    ErrorCode.DISK_UNWRITABLE,
    ErrorCode.WEIGHTS_UNAVAILABLE,
    ErrorCode.GPU_OUT_OF_MEMORY,
    ErrorCode.MODEL_ERROR,
)
"""Codes that a job of any model can end with, beside those of its card."""
