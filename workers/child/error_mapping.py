"""Maps errors to what the caller sees, and to whether the process may run another job."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobs.errors import AttemptFailed, ErrorCode
from models import catalog
from models.errors import ModelError, ProcessLost, WeightsInvalid
from runtime.files import ScratchUnwritable, is_full
from storage.base import ObjectNotFound, StorageError, StorageFull
from storage.sniffing.media import MediaRejected
from weights.errors import DiskFull, WeightsError, WeightsRemoved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.spec import Card

_BROKEN_GPU = ("CUDA error", "illegal memory access")
"""After these a CUDA context returns an error from every call, until its process ends."""

_PATH = re.compile(r"(?<![\w:/.~])/(?:[^/\s:,;()'\"`]+/)+(?=[^/\s]+/[^/\s])([^/\s]+/[^/\s]+)")


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """Raise a panic of a library in Rust as a `RuntimeError`: what it raises is no `Exception`.

    Around the code of a model, which may use safetensors and tokenizers.
    """
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def to_attempt_failed(error: Exception, cards: Iterable[Card] = ()) -> AttemptFailed:
    """Return what the caller may know of an error; the traceback stays in the log.

    A code that neither the catalog nor one of these cards declares becomes `model_error`.
    """
    match error:
        case AttemptFailed():
            return error
        case ModelError() | MediaRejected():
            field = getattr(error, "field", None)
            detail = str(error)
            if isinstance(error, WeightsInvalid):
                detail = without_folders(detail)
            return AttemptFailed(
                _known_code(error.code, cards), detail, retryable=error.retryable, field=field
            )
        case WeightsError():
            return _from_weights(error)
        case ScratchUnwritable():
            detail = (
                f"The worker cannot write temporary files ({error}): the operator has to give it a "
                "folder that it may write, KINOMILL_SCRATCH."
            )
            return AttemptFailed(ErrorCode.DISK_UNWRITABLE, detail, retryable=True)
        case StorageError():
            return _from_storage(error)
    return _from_unexpected(error)


def without_folders(text: str) -> str:
    """Cut each absolute path to its last two names: where files lie on a server is not shown."""
    return _PATH.sub(r"\1", text)


def _known_code(code: str, cards: Iterable[Card]) -> str:
    declared = {one.code for card in cards for one in card.error_codes}
    return code if code in declared | catalog.error_codes().keys() else ErrorCode.of(code)


def _from_weights(error: WeightsError) -> AttemptFailed:
    if isinstance(error, DiskFull):
        return AttemptFailed(ErrorCode.DISK_FULL, without_folders(str(error)), retryable=True)
    detail = str(error)
    if not isinstance(error, WeightsRemoved):
        detail = f"The model weights could not be downloaded: {without_folders(detail)}"
    return AttemptFailed(ErrorCode.WEIGHTS_UNAVAILABLE, detail, retryable=error.retryable)


def _from_storage(error: StorageError) -> AttemptFailed:
    if isinstance(error, StorageFull):
        detail = "Object storage is full: the operator has to free space or enlarge it."
        return AttemptFailed(ErrorCode.STORAGE_FULL, detail, retryable=True)
    if isinstance(error, ObjectNotFound):
        return AttemptFailed(ErrorCode.FILE_NOT_FOUND, "An uploaded input is no longer stored.")
    detail = "The object storage returned an error; see the worker log."
    return AttemptFailed(ErrorCode.STORAGE_UNAVAILABLE, detail, retryable=error.retryable)


def _from_unexpected(error: Exception) -> AttemptFailed:
    causes = list(_chain(error))
    if any(isinstance(cause, OSError) and is_full(cause) for cause in causes):
        detail = (
            "The disk of the worker is full: the operator has to free space in its folder "
            "KINOMILL_SCRATCH."
        )
        return AttemptFailed(ErrorCode.DISK_FULL, detail, retryable=True)
    if any(_gpu_is_full(cause) for cause in causes):
        detail = (
            "The job needs more GPU memory than this worker has: "
            "use a smaller resolution or a shorter video."
        )
        return AttemptFailed(ErrorCode.GPU_OUT_OF_MEMORY, detail)
    if any(isinstance(cause, MemoryError) for cause in causes):
        detail = "The worker ran out of memory."
        return AttemptFailed(ErrorCode.INTERNAL_ERROR, detail, retryable=True)
    if any(_gpu_is_broken(cause) for cause in causes):
        detail = "The worker's GPU reported an error; see the worker log."
        return AttemptFailed(ErrorCode.INTERNAL_ERROR, detail, retryable=True)
    detail = "Internal error in the worker; see the worker log."
    return AttemptFailed(ErrorCode.INTERNAL_ERROR, detail)


def is_fatal_to_process(error: BaseException) -> bool:
    """Whether the process must run no other job, because its memory or its GPU is unusable."""
    return any(
        isinstance(cause, MemoryError | ProcessLost) or _gpu_is_full(cause) or _gpu_is_broken(cause)
        for cause in _chain(error)
    )


def _gpu_is_full(error: BaseException) -> bool:
    return type(error).__name__ == "OutOfMemoryError"


def _gpu_is_broken(error: BaseException) -> bool:
    return any(text in str(error) for text in _BROKEN_GPU)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
