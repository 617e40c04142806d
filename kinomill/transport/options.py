"""Options of httpx, the same for both transports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx

from kinomill.errors import ConfigurationError, Misdirected, Unreachable, UsageError
from kinomill.transport.tls import TrustedContext, tls_error
from kinomill.transport.traces import trace_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kinomill.transport.exchange import Request


_ERRNO: Final = re.compile(r"^\[Errno -?\d+\] ")


def client_options(url: str, key: str | None, timeout: float) -> dict[str, Any]:
    """Return the options of an HTTP client. Raises `ConfigurationError`.

    The proxies of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) are used, but never for an
    API on this machine.
    """
    host = _host(url)
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ConfigurationError("the API key must be printable ASCII text (km_…)")
    return {
        "base_url": url,
        "timeout": timeout,
        "trust_env": not _is_loopback(host),
        "verify": TrustedContext(),
        "headers": {"Authorization": f"Bearer {key}"} if key else {},
    }


def _host(url: str) -> str:
    """Return the host of an API's address. Raises `ConfigurationError`."""
    scheme, separator, rest = url.partition("://")
    if not separator and not url.endswith(":"):
        local = url.startswith(("localhost", "127.", "[::1]"))
        suggestion = f"{'http' if local else 'https'}://{url.lstrip('/')}"
        raise ConfigurationError(
            f"{url!r} is not the address of an API, because it has no scheme: "
            f"write KINOMILL_URL={suggestion}"
        )
    if separator and scheme.lower() not in {"http", "https"}:
        raise ConfigurationError(
            f"{url!r} is not the address of an API: {scheme}:// is not http:// or https://"
        )
    try:
        host = httpx.URL(f"http://{rest}").host
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"{url!r} is not the address of an API: {error}") from error
    if not host:
        raise ConfigurationError(f"{url!r} is not the address of an API: it names no host")
    return host


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


def request_options(request: Request, timeout: float) -> dict[str, Any]:
    """Return the options of one HTTP request. Its read timeout is longer than its `?wait=`."""
    return {
        "method": request.method,
        "url": request.path,
        "params": request.params or None,  # httpx takes an empty one for no query
        "headers": _headers(request),
        "json": request.json,
        "content": request.body if request.content is None else request.content,
        **_form(request),
        "timeout": httpx.Timeout(
            timeout, read=request.read_seconds or timeout + request.hold_seconds
        ),
    }


def _headers(request: Request) -> Mapping[str, str]:
    """The headers of a request, with the trace of the caller if it goes to the API."""
    own = request.headers
    for name, text in own.items():
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            raise UsageError(f"{name}: {text!r} must be printable ASCII, without spaces around")
    return own if request.content is not None else {**trace_headers(), **own}


def _form(request: Request) -> dict[str, Any]:
    files: dict[str, Any] = {name: (up.name, up) for name, up in (request.files or {}).items()}
    if not request.multipart:
        return {"data": request.form, "files": files or None}
    texts = {name: (None, text) for name, text in (request.form or {}).items()}
    return {"data": None, "files": texts | files}


def unsendable(error: UnicodeEncodeError) -> UsageError:
    """Return the error for a text that is no Unicode, such as an argument in another encoding."""
    return UsageError(f"{str(error.object)[:80]!r} cannot be sent: it is not UTF-8 text")


def without_key(request: httpx.Request) -> httpx.Request:
    """The same request without the key, which is for the API alone."""
    request.headers.pop("authorization", None)
    return request


def unreachable(url: str, error: httpx.TransportError) -> Unreachable:
    """Return the error for a request that got no answer."""
    timed_out = isinstance(error, httpx.TimeoutException)
    said = _ERRNO.sub("", str(error))
    reason = "timed out" if timed_out else said or type(error).__name__
    result = _proxy_error(url, error, reason) or _tls_error(url, reason) or Unreachable(url, reason)
    result.__cause__ = error
    return result


def _tls_error(url: str, reason: str) -> Unreachable | None:
    sentence = tls_error(url, reason)
    return Misdirected(url, sentence) if sentence else None


def _proxy_error(url: str, error: httpx.TransportError, reason: str) -> Unreachable | None:
    proxy = _proxy_of(url)
    if proxy is None or not isinstance(error, httpx.ProxyError | httpx.ConnectError):
        return None
    if _tls_error(url, reason):
        return None
    return Misdirected(
        url,
        f"no request to {url} passes the proxy {proxy} of HTTPS_PROXY or HTTP_PROXY ({reason}): "
        "correct that variable, or add the host to NO_PROXY",
    )


def _proxy_of(url: str) -> str | None:
    """Return the proxy of the environment for this API, without its password."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy and proxy.rpartition("@")[2]
