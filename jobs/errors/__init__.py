"""Errors of jobs and requests, and the closed list of their codes."""

from jobs.errors.codes import ErrorCode
from jobs.errors.exceptions import (
    AttemptFailed,
    FieldError,
    JobError,
    LeaseLost,
    RequestError,
    file_not_found,
    job_not_found,
    preempted_too_often,
)
from jobs.errors.job_codes import JOB_CODES

__all__ = [
    "JOB_CODES",
    "AttemptFailed",
    "ErrorCode",
    "FieldError",
    "JobError",
    "LeaseLost",
    "RequestError",
    "file_not_found",
    "job_not_found",
    "preempted_too_often",
]
