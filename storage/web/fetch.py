"""Downloads of URLs that users choose: checked addresses, a size limit, one deadline."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpcore

from storage.sniffing.media import MediaRejected
from storage.web.guarded_http import Deadline, guarded_pool, is_untrusted
from storage.web.url_policy import check_url, url_rejected

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from storage.web.url_policy import CheckedUrl, Resolver, UrlPolicy

    OnBytes = Callable[[int, int | None], None]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_HEADERS = [("User-Agent", "kinomill"), ("Accept", "*/*"), ("Accept-Encoding", "identity")]


@dataclass(frozen=True)
class FetchedFile:
    """A completely downloaded file."""

    path: Path
    size_bytes: int
    sha256: str
    content_type: str | None
    """As the server declared it; `media.sniff` finds the real format."""
    has_declared_end: bool
    """Whether the server said where the file ends. If not, a broken connection looks like its end.
    """


def fetch(
    url: str,
    dest: Path,
    *,
    policy: UrlPolicy,
    limit_bytes: int,
    on_bytes: OnBytes | None = None,
    resolver: Resolver | None = None,
) -> FetchedFile:
    """Download a URL to `dest`; the file is removed again unless the download completes.

    `on_bytes(done, total)` is called for each chunk and may raise to stop the download. Raises
    `MediaRejected`: `url_not_allowed`, `fetch_failed`, `fetch_timeout`, `input_too_large`.
    """
    deadline = Deadline(monotonic() + policy.total_seconds)
    try:
        with guarded_pool(policy, deadline, resolver) as pool:
            return _Download(dest, limit_bytes, on_bytes, deadline).run(pool, url, policy)
    except httpcore.TimeoutException as error:
        raise timed_out(policy) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise _connection_failed(error) from error


@dataclass
class _Download:
    dest: Path
    limit_bytes: int
    on_bytes: OnBytes | None
    deadline: Deadline

    def run(self, pool: httpcore.ConnectionPool, url: str, policy: UrlPolicy) -> FetchedFile:
        """Follow redirects; each location is checked like the first URL."""
        for _ in range(policy.redirects + 1):
            target = check_url(url, policy)
            with pool.stream(
                "GET", target.url, headers=_headers(target), extensions=_timeouts(policy)
            ) as response:
                if response.status not in _REDIRECTS:
                    return self._save(response)
                url = _location(response, target.url)
        raise url_rejected(f"the URL was redirected more than {policy.redirects} times")

    def _save(self, response: httpcore.Response) -> FetchedFile:
        total = self._check_headers(response)
        try:
            with self.dest.open("wb") as file:
                size, digest = self._receive(response, file, total)
        except BaseException:
            self.dest.unlink(missing_ok=True)
            raise
        content_type = _header(response, b"content-type")
        has_end = total is not None or _header(response, b"transfer-encoding") is not None
        return FetchedFile(self.dest, size, digest, content_type, has_end)

    def _check_headers(self, response: httpcore.Response) -> int | None:
        """Return the Content-Length, if any, after checking it, the status and the encoding."""
        if response.status != 200:
            raise MediaRejected(
                "fetch_failed",
                f"the server responded with status {response.status}",
                retryable=response.status in _RETRYABLE_STATUSES,
            )
        if (_header(response, b"content-encoding") or "identity") != "identity":
            raise MediaRejected(
                "fetch_failed", "the server sent a content encoding that was not requested"
            )
        length = _header(response, b"content-length") or ""
        total = int(length) if length.isdecimal() else None
        if total is not None and total > self.limit_bytes:
            raise too_large(self.limit_bytes)
        return total

    def _receive(
        self, response: httpcore.Response, file: BinaryIO, total: int | None
    ) -> tuple[int, str]:
        done, digest = 0, hashlib.sha256()
        for chunk in response.iter_stream():
            done += len(chunk)
            if done > self.limit_bytes:
                raise too_large(self.limit_bytes)
            self.deadline.clamp(None)
            digest.update(chunk)
            file.write(chunk)
            if self.on_bytes:
                self.on_bytes(done, total)
        return done, digest.hexdigest()


def too_large(limit_bytes: int) -> MediaRejected:
    """The error of a file over the limit."""
    return MediaRejected(
        "input_too_large", f"the file is larger than the limit of {limit_bytes} bytes"
    )


def _headers(target: CheckedUrl) -> list[tuple[bytes | str, bytes | str]]:
    return [("Host", target.authority), *_HEADERS]


def _timeouts(policy: UrlPolicy) -> dict[str, dict[str, float]]:
    total = policy.total_seconds
    return {"timeout": {"connect": policy.connect_seconds, "read": total, "write": total}}


def _location(response: httpcore.Response, url: str) -> str:
    """Return the URL to which the response to `url` redirects."""
    try:
        return urljoin(url, _header(response, b"location") or "")
    except ValueError as error:
        raise url_rejected(f"the URL redirects to one that is not valid: {error}") from error


def _header(response: httpcore.Response, name: bytes) -> str | None:
    for key, value in response.headers:
        if key.lower() == name:
            return value.decode("latin-1").strip()
    return None


def timed_out(policy: UrlPolicy) -> MediaRejected:
    """The error of a download that takes too long."""
    return MediaRejected(
        "fetch_timeout",
        f"the file could not be downloaded within {policy.total_seconds:g} s",
        retryable=True,
    )


def _connection_failed(error: Exception) -> MediaRejected:
    untrusted = is_untrusted(error)
    why = "the server's certificate is not valid" if untrusted else "the connection failed"
    return MediaRejected(
        "fetch_failed", f"the file could not be downloaded: {why}", retryable=not untrusted
    )
