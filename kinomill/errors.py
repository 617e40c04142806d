"""Errors of the client: one base class, and a class for each kind of refusal that people catch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kinomill.jobs import Job

TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})
"""Sent by gateways while the API behind them is down or busy; such answers have no problem body."""


class KinomillError(Exception):
    """The base class of all errors of the client."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep attributes and text when a worker process hands the error to its parent."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[KinomillError], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ConfigurationError(KinomillError, ValueError):
    """The client cannot be set up like this, e.g. with an address that is not an HTTP URL."""


class UsageError(KinomillError, ValueError):
    """The arguments of a command are wrong; nothing was submitted."""


class InputFileError(KinomillError, ValueError):
    """An input names a file that cannot be sent; nothing was submitted. `field` is the input."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class Unreachable(KinomillError):
    """No API answers at this address."""

    def __init__(self, url: str, reason: str = "") -> None:
        why = f" ({reason})" if reason else ""
        super().__init__(
            f"no Kinomill API answers at {url}{why}; start a server, or set KINOMILL_URL"
        )
        self.url = url


class Misdirected(Unreachable):
    """No request reaches the API until a setting is corrected; the text says which and how."""

    def __init__(self, url: str, sentence: str) -> None:
        KinomillError.__init__(self, sentence)
        self.url = url


class FieldError(NamedTuple):
    """One invalid field of a request: a JSON pointer such as `/input/fps`, and what is wrong."""

    pointer: str
    message: str


class ApiError(KinomillError):
    """The API refused a request. The text says what is wrong and what to do.

    `code` comes from the API's closed list (`/docs/errors`), or is `unknown` if something other
    than a Kinomill API answered. `retryable` says whether the same request may succeed later,
    `retry_after` after how many seconds, if the answer named them. `rows` are the wrong rows of a
    batch, each with its number (`row`), `code`, `detail` and `errors`. With `request_id` the
    operator finds the request in the log of the API.
    """

    def __init__(
        self, status: int, problem: Mapping[str, Any], *, retry_after: float | None = None
    ) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.detail = str(problem.get("detail") or f"the API answered {status}")
        self.errors = tuple(
            FieldError(str(error.get("pointer", "")), str(error.get("message", "")))
            for error in problem.get("errors", ())
        )
        self.rows: tuple[Mapping[str, Any], ...] = tuple(problem.get("rows", ()))
        self.retryable = bool(problem.get("retryable", status in TRANSIENT_STATUSES))
        self.retry_after = retry_after
        self.request_id: str | None = problem.get("request_id")
        super().__init__(self.detail)


class InvalidInput(ApiError):
    """A field of the submission is invalid; `errors` names each one (400, 413, 415, 422)."""


class Unauthorized(ApiError):
    """The key is missing, unknown or revoked (401)."""


class Forbidden(ApiError):
    """The key lacks a scope, or the operator has not accepted the model's license (403)."""


class NotFound(ApiError):
    """No job, model or file has this name (404)."""


class Conflict(ApiError):
    """The job is in a state that does not allow the request (409)."""


class Expired(ApiError):
    """The result was deleted after its time to live (410)."""


class RateLimited(ApiError):
    """The API accepts no more jobs for now: try again after `retry_after` seconds (429, 503)."""


class AccountLimit(RateLimited):
    """Your account has as many queued or running jobs as it may have."""


class QuotaExceeded(RateLimited):
    """Your account has used up a quota; `code` names it."""


class InMaintenance(RateLimited):
    """The operator lets the server accept no jobs for now."""


class QueueFull(RateLimited):
    """The queue of this model is full."""


class ServerError(ApiError):
    """The API or a part behind it failed (5xx)."""


_BY_CODE: dict[str, type[ApiError]] = {
    "account_limit": AccountLimit,
    "jobs_per_day": QuotaExceeded,
    "gpu_seconds_per_day": QuotaExceeded,
    "stored_bytes": QuotaExceeded,
    "submissions_per_minute": QuotaExceeded,
    "queue_full": QueueFull,
    "maintenance_mode": InMaintenance,
}
_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidInput,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    413: InvalidInput,
    415: InvalidInput,
    422: InvalidInput,
    429: RateLimited,
}


def api_error(
    status: int, problem: Mapping[str, Any], *, retry_after: float | None = None
) -> ApiError:
    """Return the error for an answer of the API: its class follows from the code or the status."""
    by_status = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    kind = _BY_CODE.get(str(problem.get("code")), by_status)
    return kind(status, problem, retry_after=retry_after)


class JobFailed(KinomillError):
    """The job failed or was canceled: it has no result. `code` is `canceled` for the latter."""

    def __init__(self, job: Job) -> None:
        error = job.error
        self.job = job
        self.code = error.code if error else job.status
        self.detail = error.detail if error else "The job was canceled."
        super().__init__(f"{job.id} {job.status} ({self.code}): {self.detail}")


class WaitTimeout(KinomillError, TimeoutError):
    """The job was not finished in time. It goes on: wait for it again, or cancel it."""

    def __init__(self, job: Job, seconds: float) -> None:
        self.job = job
        super().__init__(
            f"{job.id} is still {job.status} after {seconds:g} s; the job goes on: "
            "wait for it again, or cancel it"
        )
