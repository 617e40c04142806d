"""Errors of jobs and requests, with a code for programs and a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.errors.codes import ErrorCode

if TYPE_CHECKING:
    from datetime import timedelta

    from jobs.quota_state import QuotaState


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
    quotas: tuple[QuotaState, ...] = ()
    """What is left of the account's quotas of requests."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further members of the response, by name."""

    def __str__(self) -> str:
        return self.detail


class JobError(Exception):
    """Base class of errors about one job."""


class LeaseLost(JobError):
    """Another worker owns the job now, or it has ended: drop the result."""


class AttemptFailed(JobError):
    """An attempt failed with an error that users see; a `retryable` one is tried again.

    `code` is an `ErrorCode` or one that the model declares, `field` the input that caused it.
    """

    def __init__(
        self, code: str, detail: str, *, retryable: bool = False, field: str | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.field = field


def job_not_found() -> RequestError:
    """The same error for a missing id, a malformed id and a job of another account."""
    return RequestError(ErrorCode.JOB_NOT_FOUND, "No job of yours has this id.")


def file_not_found(name: str) -> RequestError:
    """The error of a field whose uploaded file is another account's, or deleted with its jobs."""
    message = (
        "you have no uploaded file with this id; it is deleted when it expires, or with the last "
        "job that names it"
    )
    error = FieldError(f"/input/{name}", message)
    return RequestError(ErrorCode.FILE_NOT_FOUND, f"{name}: {message}.", errors=(error,))


def preempted_too_often(times: int) -> AttemptFailed:
    """A job that workers gave back that often, because they shut down."""
    detail = (
        f"The job was preempted {times} times by workers that shut down. It is not retried; "
        "submit it again."
    )
    return AttemptFailed(ErrorCode.WORKER_LOST, detail)
