"""Options of httpx, the same for both transports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from kinomill.errors import ConfigurationError, Unreachable

if TYPE_CHECKING:
    from kinomill.transport.exchange import Request


def client_options(url: str, key: str | None, timeout: float) -> dict[str, Any]:
    """Return the options of an HTTP client. Raises `ConfigurationError`."""
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"{url!r} is not the address of an API: use e.g. http://127.0.0.1:8000"
        )
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ConfigurationError("the API key must be printable ASCII text (km_…)")
    return {
        "base_url": url,
        "timeout": timeout,
        "trust_env": False,
        "headers": {"Authorization": f"Bearer {key}"} if key else {},
    }


def request_options(request: Request, timeout: float) -> dict[str, Any]:
    """Return the options of one HTTP request. Its read timeout is longer than its `?wait=`."""
    return {
        "method": request.method,
        "url": request.path,
        "params": request.params,
        "headers": request.headers,
        "json": request.json,
        "data": request.form,
        "files": request.files and {name: (up.name, up) for name, up in request.files.items()},
        "timeout": httpx.Timeout(timeout, read=timeout + request.hold_seconds),
    }


def unreachable(url: str, error: httpx.TransportError) -> Unreachable:
    """Return the error for a request that got no answer."""
    timed_out = isinstance(error, httpx.TimeoutException)
    reason = "timed out" if timed_out else str(error) or type(error).__name__
    result = Unreachable(url, reason)
    result.__cause__ = error
    return result
