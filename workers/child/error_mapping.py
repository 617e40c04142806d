"""What an error means: for the caller, and for the process that met it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from jobs.errors import AttemptFailed, ErrorCode
from models.errors import ModelError
from storage.base import ObjectNotFound, StorageError, StorageFull
from storage.sniffing.media import MediaRejected
from weights.errors import DiskFull, WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BROKEN_GPU = ("CUDA error", "illegal memory access")
"""After these a CUDA context running_tasks every call with an error, until its process ends."""


def to_attempt_failed(error: Exception) -> AttemptFailed:
    """What a caller may know of an error; the traceback stays in the log."""
    match error:
        case AttemptFailed():
            return error
        case ModelError() | MediaRejected():
            where = getattr(error, "field", None)
            return AttemptFailed(
                ErrorCode.of(error.code), str(error), retryable=error.retryable, field=where
            )
        case WeightsError():
            return _weights_failure(error)
        case StorageFull() | OSError(errno=errno.ENOSPC):
            return AttemptFailed(ErrorCode.DISK_FULL, "The worker's disk is full.", retryable=True)
        case StorageError():
            return _storage_failure(error)
    return _unexpected_failure(error)


def _weights_failure(error: WeightsError) -> AttemptFailed:
    if isinstance(error, DiskFull):
        return AttemptFailed(ErrorCode.DISK_FULL, str(error), retryable=True)
    detail = f"The model's weights cannot be had: {error}"
    return AttemptFailed(ErrorCode.WEIGHTS_UNAVAILABLE, detail, retryable=error.retryable)


def _storage_failure(error: StorageError) -> AttemptFailed:
    if isinstance(error, ObjectNotFound):
        return AttemptFailed(ErrorCode.FILE_NOT_FOUND, "An uploaded input is no longer stored.")
    detail = "The object store could not do its part; see the worker's log."
    return AttemptFailed(ErrorCode.STORAGE_UNAVAILABLE, detail, retryable=error.retryable)


def _unexpected_failure(error: Exception) -> AttemptFailed:
    causes = list(_chain(error))
    if any(_gpu_is_full(cause) for cause in causes):
        detail = "The job needs more GPU memory than this worker has: make it smaller or shorter."
        return AttemptFailed(ErrorCode.GPU_OUT_OF_MEMORY, detail)
    if any(isinstance(cause, MemoryError) for cause in causes):
        detail = "The worker ran out of memory."
        return AttemptFailed(ErrorCode.INTERNAL_ERROR, detail, retryable=True)
    if any(_gpu_is_broken(cause) for cause in causes):
        detail = "The worker's GPU met an error; see the worker's log."
        return AttemptFailed(ErrorCode.INTERNAL_ERROR, detail, retryable=True)
    return AttemptFailed(
        ErrorCode.INTERNAL_ERROR, "The worker met an error of its own; see its log."
    )


def is_fatal_to_process(error: BaseException) -> bool:
    """Whether the process should run no other job: its memory, or its GPU, is past help."""
    return any(
        isinstance(cause, MemoryError) or _gpu_is_full(cause) or _gpu_is_broken(cause)
        for cause in _chain(error)
    )


def _gpu_is_full(error: BaseException) -> bool:
    return type(error).__name__ == "OutOfMemoryError"


def _gpu_is_broken(error: BaseException) -> bool:
    return any(words in str(error) for words in _BROKEN_GPU)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
