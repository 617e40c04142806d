"""Refuses requests of web pages to an API that needs no key.

Every page that a browser on this machine shows can send requests to a loopback address, and can let
its own name resolve to one (DNS rebinding). Only keys tell callers apart; without them the names in
Host and Origin must be those of this machine or of a setting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.errors.problems import Problem, render
from jobs.errors import ErrorCode
from runtime.host_names import EVERY, host_name, is_loopback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

_HEALTH = frozenset({"/livez", "/readyz"})
"""Probes of a platform send its address for the machine as Host; the answers are not secret."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OTHER_SITES = frozenset({b"cross-site", b"same-site"})
"""Values of Sec-Fetch-Site for a page of another site, or of another port of this machine."""
_MAX_REMEMBERED = 64


class WebPageGuard:
    """ASGI middleware that admits requests by Host and Origin. The usual case is one lookup."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        """Admit these names beside those of the loopback interface, and pages of these origins."""
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origin.lower() for origin in origins) - {EVERY}
        self._admitted: set[bytes] = set()
        """Host headers that were checked before."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Forward the request, or refuse it before its body is read."""
        if scope["type"] == "http":
            refusal = self._refusal(scope)
            if refusal is not None:
                return render(refusal, scope.get("root_path", ""))(scope, receive, send)
        return self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = dict(scope["headers"])  # no browser sends one of these three twice
        host, origin = headers.get(b"host", b""), headers.get(b"origin")
        if host not in self._admitted and not self._admits_host(host):
            return None if scope["path"] in _HEALTH else _wrong_host(host)
        if origin is not None:
            return None if self._admits_origin(origin, host) else _wrong_origin(origin)
        if scope["method"] not in SAFE_METHODS and headers.get(b"sec-fetch-site") in _OTHER_SITES:
            return _wrong_origin(b"another site")
        return None

    def _admits_host(self, host: bytes) -> bool:
        name = host_name(host.decode("latin-1"))
        admitted = is_loopback(name) or name in self._hosts or EVERY in self._hosts
        if admitted and len(self._admitted) < _MAX_REMEMBERED:
            self._admitted.add(host)
        return admitted

    def _admits_origin(self, origin: bytes, host: bytes) -> bool:
        """Whether the page is of this server or of an origin that the operator lists."""
        text = origin.decode("latin-1").lower()
        return is_same_origin(text, host.decode("latin-1")) or text in self._origins


def is_same_origin(origin: str, host: str) -> bool:
    """Whether a page of this origin was served under the name in this Host header."""
    scheme, _, authority = origin.lower().partition("://")
    return scheme in {"http", "https"} and authority == host.lower()


def _wrong_host(host: bytes) -> Problem:
    shown = host.decode("ascii", "backslashreplace")[:100] or "an empty name"
    detail = (
        f"This server needs no API key, so it answers to names of its own machine only, and {shown}"
        " is none. Use http://127.0.0.1 with its port; or the operator adds the name to "
        "KINOMILL_ALLOWED_HOSTS, or requires keys with KINOMILL_AUTH=keys."
    )
    return Problem(ErrorCode.HOST_NOT_ALLOWED, detail)


def _wrong_origin(origin: bytes) -> Problem:
    shown = origin.decode("ascii", "backslashreplace")[:100]
    detail = (
        f"This server needs no API key, so it takes no requests of web pages of {shown}. The "
        f"operator can add the origin to KINOMILL_CORS_ORIGINS, such as http://localhost:3000."
    )
    return Problem(ErrorCode.ORIGIN_NOT_ALLOWED, detail)
