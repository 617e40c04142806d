"""What can go wrong between a program and the API."""

from __future__ import annotations

from typing import Any

PASSING_STATUSES = frozenset({429, 502, 503, 504})
"""What a gateway says while the API behind it is away or busy; it knows no problems."""


class KinomillError(Exception):
    """The base of all errors of the client."""


class Unreachable(KinomillError):
    """No API answers at this address: is it up? Start one with `kinomill up`."""

    def __init__(self, url: str) -> None:
        super().__init__(f"no Kinomill API answers at {url}; start one with `kinomill up`")


class ApiError(KinomillError):
    """The API refused: `code` is from its closed list, the text says what to do."""

    def __init__(
        self, status: int, problem: dict[str, Any], *, retry_after: float | None = None
    ) -> None:
        super().__init__(problem.get("detail") or f"the API answered {status}")
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.retryable = bool(problem.get("retryable", status in PASSING_STATUSES))
        self.retry_after = retry_after  #: seconds, if the answer named them


class JobFailed(KinomillError):
    """The job ended without a video."""

    def __init__(self, job: dict[str, Any]) -> None:
        error = job.get("error") or {"code": job["status"], "detail": "it was canceled"}
        super().__init__(f"{job['id']} {job['status']} ({error['code']}): {error['detail']}")
        self.job = job
