"""Downloads from strangers: checked addresses, counted bytes, one deadline for everything."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpcore

from storage.sniffing.media import MediaRejected
from storage.web.guarded_http import Deadline, guarded_pool
from storage.web.url_policy import check_url, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from storage.web.url_policy import FetchPolicy, Resolver, Target

    OnBytes = Callable[[int, int | None], None]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_HEADERS = [("User-Agent", "kinomill"), ("Accept", "*/*"), ("Accept-Encoding", "identity")]


@dataclass(frozen=True)
class FetchedFile:
    """A file that came whole."""

    path: Path
    size_bytes: int
    sha256: str
    content_type: str | None
    """What the server called it; `media.sniff` knows better."""


def fetch(
    url: str,
    dest: Path,
    *,
    policy: FetchPolicy,
    limit_bytes: int,
    on_bytes: OnBytes | None = None,
    resolver: Resolver | None = None,
) -> FetchedFile:
    """Download a URL into `dest`, which is there afterwards only if everything came.

    `on_bytes(done, total)` is called for each piece and may raise to stop. Raises
    `MediaRejected`: `url_not_allowed`, `fetch_failed`, `fetch_timeout`, `input_too_large`.
    """
    deadline = Deadline(monotonic() + policy.total_seconds)
    try:
        with guarded_pool(policy, deadline, resolver) as pool:
            return _Download(dest, limit_bytes, on_bytes, deadline).run(pool, url, policy)
    except httpcore.TimeoutException as error:
        raise _too_slow(policy) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise _broken(error) from error


@dataclass
class _Download:
    dest: Path
    limit_bytes: int
    on_bytes: OnBytes | None
    deadline: Deadline

    def run(self, pool: httpcore.ConnectionPool, url: str, policy: FetchPolicy) -> FetchedFile:
        """Follow redirects, each of them checked as the first URL was."""
        for _ in range(policy.redirects + 1):
            target = check_url(url, policy)
            with pool.stream(
                "GET", target.url, headers=_headers(target), extensions=_timeouts(policy)
            ) as response:
                if response.status not in _REDIRECTS:
                    return self._save(response)
                url = urljoin(target.url, _header(response, b"location") or "")
        raise refused(f"the URL was redirected more than {policy.redirects} times")

    def _save(self, response: httpcore.Response) -> FetchedFile:
        total = self._check(response)
        try:
            with self.dest.open("wb") as file:
                size, digest = self._receive(response, file, total)
        except BaseException:
            self.dest.unlink(missing_ok=True)
            raise
        return FetchedFile(self.dest, size, digest, _header(response, b"content-type"))

    def _check(self, response: httpcore.Response) -> int | None:
        """Return the announced size; the status and the headers must promise a usable file."""
        if response.status != 200:
            raise MediaRejected(
                "fetch_failed",
                f"the server answered {response.status}",
                retryable=response.status in _PASSING,
            )
        if (_header(response, b"content-encoding") or "identity") != "identity":
            raise MediaRejected("fetch_failed", "the server compressed the file, unasked")
        announced = _header(response, b"content-length") or ""
        total = int(announced) if announced.isdecimal() else None
        if total is not None and total > self.limit_bytes:
            raise self._too_large()
        return total

    def _receive(
        self, response: httpcore.Response, file: BinaryIO, total: int | None
    ) -> tuple[int, str]:
        done, digest = 0, hashlib.sha256()
        for chunk in response.iter_stream():
            done += len(chunk)
            if done > self.limit_bytes:
                raise self._too_large()
            self.deadline.within(None)
            digest.update(chunk)
            file.write(chunk)
            if self.on_bytes:
                self.on_bytes(done, total)
        return done, digest.hexdigest()

    def _too_large(self) -> MediaRejected:
        return MediaRejected(
            "input_too_large", f"the file has more than {self.limit_bytes} bytes, the limit here"
        )


def _headers(target: Target) -> list[tuple[bytes | str, bytes | str]]:
    return [("Host", target.authority), *_HEADERS]


def _timeouts(policy: FetchPolicy) -> dict[str, dict[str, float]]:
    total = policy.total_seconds
    return {"timeout": {"connect": policy.connect_seconds, "read": total, "write": total}}


def _header(response: httpcore.Response, name: bytes) -> str | None:
    for key, value in response.headers:
        if key.lower() == name:
            return value.decode("latin-1").strip()
    return None


def _too_slow(policy: FetchPolicy) -> MediaRejected:
    return MediaRejected(
        "fetch_timeout",
        f"the file did not come within {policy.total_seconds:g} s",
        retryable=True,
    )


def _broken(error: Exception) -> MediaRejected:
    distrusted = any(isinstance(one, ssl.SSLCertVerificationError) for one in error.args)
    why = "its certificate is not valid" if distrusted else "the connection failed"
    return MediaRejected(
        "fetch_failed", f"the file could not be fetched: {why}", retryable=not distrusted
    )
