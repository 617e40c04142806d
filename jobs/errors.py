"""Every error that a caller can meet: one closed list of codes, each explained once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import timedelta


class ErrorCode(StrEnum):
    """The codes of problem answers and of failed jobs. Codes are added, never changed."""

    # answers of the API
    INVALID_JSON = "invalid_json"
    INVALID_INPUT = "invalid_input"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BODY_TOO_LARGE = "body_too_large"
    UNKNOWN_MODEL = "unknown_model"
    LICENSE_NOT_ACCEPTED = "license_not_accepted"
    INVALID_CURSOR = "invalid_cursor"
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    JOB_NOT_FOUND = "job_not_found"
    JOB_NOT_FINISHED = "job_not_finished"
    JOB_ALREADY_FINAL = "job_already_final"
    JOB_WITHOUT_RESULT = "job_without_result"
    NO_PREVIEW = "no_preview"
    MODEL_WITHOUT_WEIGHTS = "model_without_weights"
    RESULT_EXPIRED = "result_expired"
    LINK_INVALID = "link_invalid"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    DATABASE_UNAVAILABLE = "database_unavailable"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    UNAUTHORIZED = "unauthorized"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    ACCOUNT_LIMIT = "account_limit"
    QUEUE_FULL = "queue_full"
    INTERNAL_ERROR = "internal_error"
    # inputs, at submit or on the worker
    URL_NOT_ALLOWED = "url_not_allowed"
    FETCH_FAILED = "fetch_failed"
    FETCH_TIMEOUT = "fetch_timeout"
    FILE_NOT_FOUND = "file_not_found"
    INPUT_TOO_LARGE = "input_too_large"
    INVALID_DATA_URI = "invalid_data_uri"
    UNSUPPORTED_MEDIA = "unsupported_media"
    MEDIA_UNREADABLE = "media_unreadable"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    NO_FACE = "no_face"
    NO_SOUND = "no_sound"
    AUDIO_SILENT = "audio_silent"
    AUDIO_TOO_LONG = "audio_too_long"
    SPEECH_UNAVAILABLE = "speech_unavailable"
    ASPECT_EXTREME = "aspect_extreme"
    PROMPT_TOO_LONG = "prompt_too_long"
    UNKNOWN_LORA = "unknown_lora"
    # failures of an attempt
    WORKER_LOST = "worker_lost"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    DISK_FULL = "disk_full"
    WEIGHTS_UNAVAILABLE = "weights_unavailable"
    WEIGHTS_INVALID = "weights_invalid"
    GPU_OUT_OF_MEMORY = "gpu_oom"
    MODEL_ERROR = "model_error"

    @classmethod
    def of(cls, text: str) -> ErrorCode:
        """The code that a model or a store spells so; `model_error` if the list lacks it."""
        try:
            return cls(text)
        except ValueError:
            return cls.MODEL_ERROR


@dataclass(frozen=True)
class FieldError:
    """A field of a request that is wrong."""

    pointer: str = field(
        metadata={
            "description": "JSON pointer to the field.",
            "examples": ["/input/fps"],
        }
    )
    message: str = field(metadata={"description": "What is wrong, and what to send instead."})


@dataclass
class RequestError(Exception):
    """A request that cannot be fulfilled, with a code for programs and a sentence for people."""

    code: ErrorCode
    detail: str
    retryable: bool = False
    errors: tuple[FieldError, ...] = ()
    """Each field of the request that is wrong."""
    retry_after: timedelta | None = None
    """How long to wait before the same request may succeed, if that is known."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further members of the response, by name."""

    def __str__(self) -> str:
        return self.detail


class JobError(Exception):
    """Something about one job, between the programs of Kinomill."""


class LeaseLost(JobError):
    """Another worker owns the job now, or it is final: drop the result."""


class AttemptFailed(JobError):
    """An attempt ended with an error that the caller sees; `retryable` ones are tried again."""

    def __init__(
        self, code: ErrorCode, detail: str, *, retryable: bool = False, field: str | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.field = field


def job_not_found() -> RequestError:
    """The same error for a missing id, a malformed id and a job of another account."""
    return RequestError(ErrorCode.JOB_NOT_FOUND, "No job of yours has this id.")
