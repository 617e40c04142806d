"""The protocol without its I/O: operations are generators that yield requests.

An operation yields a `Request`, receives the `httpx.Response`, and returns its result. A transport
runs it: `sync_transport` with blocking I/O, `async_transport` with asyncio. So retries, polling and
parsing exist once for both clients.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import httpx

from kinomill.errors import ApiError, Unreachable, api_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kinomill.retry import RetryPolicy
    from kinomill.transport.downloads import PartialFile
    from kinomill.transport.events import EventSource
    from kinomill.transport.uploads import Upload

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Request:
    """One HTTP request, as data."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    """A piece of a file for a signed URL, which is `path`: the key is not sent there."""
    body: bytes | None = None
    """A body that is sent as it is."""
    form: Mapping[str, str] | None = None
    files: Mapping[str, Upload] | None = None
    multipart: bool = False
    """Whether the form is multipart even if it has no files."""
    hold_seconds: float = 0
    """How long the server may hold the request (`?wait=`): added to the read timeout."""
    delay_seconds: float = 0
    """How long the transport waits before it sends the request."""
    read_seconds: float | None = None
    """How long the server may be silent; None: the timeout of the client and `hold_seconds`."""
    source: EventSource | None = None
    """A stream: the transport connects if it is not open, and answers after the next event."""
    save_to: PartialFile | None = None
    """Where the body of a successful answer is written, after redirects."""


Operation: TypeAlias = Generator[Request, httpx.Response, _Result]
"""A transport throws `Unreachable` into it when a request got no answer."""


def exchange(request: Request, policy: RetryPolicy) -> Operation[httpx.Response]:
    """Send a request, again after transient errors. Raises `ApiError`, `Unreachable`."""
    attempts = policy.start()
    while True:
        try:
            return _checked((yield request))
        except (ApiError, Unreachable) as error:
            if request.save_to is not None and request.save_to.has_grown():
                attempts = policy.start()
            pause = attempts.pause_after(error)
            if pause is None:
                raise
            request = replace(request, delay_seconds=pause)


def exchange_json(request: Request, policy: RetryPolicy) -> Operation[dict[str, Any]]:
    """Send a request whose answer is a JSON object."""
    return json_object((yield from exchange(request, policy)))


def json_object(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object that the API answered. Raises `ApiError`."""
    content = _json_object(response)
    if content is None:
        detail = f"the server at {_origin(response.url)} is not a Kinomill API"
        raise ApiError(response.status_code, {"detail": detail})
    return content


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    problem = _json_object(response) or {}
    if response.is_redirect:
        target = response.headers["location"]
        detail = f"{_origin(response.url)} redirects to {target}: use that address for the API"
        problem = {"code": "unknown", "detail": detail}
    raise api_error(response.status_code, problem, retry_after=_retry_after(response.headers))


def _retry_after(headers: httpx.Headers) -> float | None:
    """Return the seconds of `Retry-After`, which gateways may also write as a date."""
    value = headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(seconds, 0.0)


def _json_object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        content = response.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"
