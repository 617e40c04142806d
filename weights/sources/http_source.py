"""A file on a web server, read by ranges; `hub`, `web` and `gcs` resolve its URL."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from weights.errors import RemoteChanged, SourceUnavailable, WrongContent
from weights.sources.http_responses import (
    REDIRECTS,
    content_range,
    error_for_status,
    html_error,
    redact_url,
    reject_html,
    strong_etag,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from weights.errors import WeightsError
    from weights.sources.base import RemoteFile
    from weights.sources.http_client import ConnectionPool, Response

MAX_REDIRECTS = 5

_EXPIRED = frozenset({400, 401, 403, 404, 410})
"""Statuses by which servers reject a URL whose signature has expired."""


@dataclass(frozen=True)
class ResolvedFile:
    """Where the bytes of a file are at this moment."""

    remote: RemoteFile
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    """The strong ETag at that URL, if it is known before the first response."""
    may_expire: bool = False
    """Whether the URL is valid for a limited time: it is resolved again when it is rejected."""


class HttpSource:
    """A `Source` that requests ranges and never mixes the bytes of two versions of a file.

    `resolve` finds the file's current URL. A version is identified by its size and, between two
    responses of one URL, by a strong ETag.
    """

    def __init__(
        self, name: str, pool: ConnectionPool, resolve: Callable[[], ResolvedFile]
    ) -> None:
        self._name = name
        self._pool = pool
        self._resolve = resolve
        self._resolved: ResolvedFile | None = None
        self._etags: dict[str, str] = {}
        self._ranges = True
        self._lock = Lock()

    def __str__(self) -> str:
        return self._name

    def stat(self) -> RemoteFile:
        """Request size and digest. Raises `WeightsError`."""
        with self._lock:
            self._resolved = self._resolve()
            return self._remote(self._resolved)

    @contextmanager
    def open(self, remote: RemoteFile, start: int, end: int) -> Iterator[Body]:
        """Request the bytes `start` to `end` (exclusive) of the file that `stat` described."""
        resolved = self._location(remote)
        with ExitStack() as responses:
            response = self._request(responses, resolved, (start, end))
            if response.status in _EXPIRED and resolved.may_expire:
                responses.close()
                self._invalidate(resolved)
                resolved = self._location(remote)
                response = self._request(responses, resolved, (start, end))
            self._check(response, resolved, (start, end))
            yield Body(response, self._name, end - start)

    def _location(self, remote: RemoteFile) -> ResolvedFile:
        """Return where the file is; the first thread that asks resolves it for all."""
        with self._lock:
            resolved = self._resolved = self._resolved or self._resolve()
        known = resolved.remote
        if (known.size_bytes, known.validator) != (remote.size_bytes, remote.validator):
            raise RemoteChanged(f"{self._name}: the file changed at the source")
        return resolved

    def _invalidate(self, resolved: ResolvedFile) -> None:
        with self._lock:
            if self._resolved is resolved:
                self._resolved = None

    def _request(
        self, responses: ExitStack, resolved: ResolvedFile, span: tuple[int, int]
    ) -> Response:
        whole = span == (0, resolved.remote.size_bytes) and not self._remote(resolved).ranges
        ranges = {} if whole else {"Range": f"bytes={span[0]}-{span[1] - 1}"}
        headers = {**resolved.headers, **ranges}
        try:
            response = responses.enter_context(
                send_following_redirects(self._pool, "GET", resolved.url, headers)
            )
        except SourceUnavailable:
            if resolved.may_expire:
                self._invalidate(resolved)
            raise
        if response.status >= 500 and resolved.may_expire:
            self._invalidate(resolved)
        return response

    def _remote(self, resolved: ResolvedFile) -> RemoteFile:
        return resolved.remote if self._ranges else replace(resolved.remote, ranges=False)

    def _check(self, response: Response, resolved: ResolvedFile, span: tuple[int, int]) -> None:
        """Raise unless the response carries the requested bytes of the resolved file."""
        if response.status >= 400:
            raise error_for_status(response, self._name)
        size = resolved.remote.size_bytes
        if response.status == 200 and response.length not in {None, size}:
            raise self._wrong_length(response)
        reject_html(response)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise WrongContent(f"{self._name}: the server compressed the file without being asked")
        self._check_etag(response, resolved)
        if response.status == 206:
            self._check_range(response, size, span)
        elif response.status != 200:
            raise WrongContent(f"{self._name}: unexpected status {response.status}")
        elif span != (0, size):
            self._ranges = False
            raise SourceUnavailable(f"{self._name}: the server ignored the requested range")

    def _check_range(self, response: Response, size: int, span: tuple[int, int]) -> None:
        start, end, total = content_range(response)
        if total not in {None, size}:
            raise RemoteChanged(f"{self._name}: size changed from {size} to {total} bytes")
        if (start, end) != span or response.length not in {None, end - start}:
            raise WrongContent(
                f"{self._name}: requested bytes {span[0]} to {span[1]}, got {start} to {end}"
            )

    def _check_etag(self, response: Response, resolved: ResolvedFile) -> None:
        etag = strong_etag(response.headers.get("ETag"))
        if etag is None:
            return
        if etag != (resolved.etag or self._etags.setdefault(redact_url(response.url), etag)):
            raise RemoteChanged(f"{self._name}: the file changed at the source (ETag {etag})")

    def _wrong_length(self, response: Response) -> WeightsError:
        """Return the error for a status 200 whose length is not the file's."""
        body = response.excerpt()
        if body.lstrip()[:1] == b"<" or response.headers.get_content_subtype() == "html":
            return html_error(response, body)
        return RemoteChanged(f"{self._name}: size changed to {response.length} bytes")


class Body:
    """The bytes of one range; it ends where the range ends, or raises."""

    def __init__(self, response: Response, name: str, length: int) -> None:
        self._response = response
        self._name = name
        self._length = length
        self._left = length

    def readinto(self, buffer: memoryview) -> int:
        """Fill part of the buffer and return the count; 0 at the end. Raises `WeightsError`."""
        if not self._left:
            return 0
        count = self._response.readinto(buffer[: self._left])
        if not count:
            done = self._length - self._left
            raise SourceUnavailable(
                f"{self._name}: connection closed after {done} of {self._length} bytes"
            )
        self._left -= count
        if not self._left and not self._response.fully_read and self._response.readinto(_SPARE[:]):
            raise WrongContent(f"{self._name}: the server sent more bytes than it announced")
        return count


@contextmanager
def send_following_redirects(
    pool: ConnectionPool, method: str, url: str, headers: Mapping[str, str]
) -> Iterator[Response]:
    """Send a request and follow up to `MAX_REDIRECTS` redirects."""
    for _ in range(MAX_REDIRECTS + 1):
        with pool.send(method, url, headers) as response:
            if response.status not in REDIRECTS:
                yield response
                return
            response.excerpt()
            url, headers = redirect_target(response, headers)
    raise WrongContent(f"{redact_url(url)}: more than {MAX_REDIRECTS} redirects")


def redirect_target(
    response: Response, headers: Mapping[str, str]
) -> tuple[str, Mapping[str, str]]:
    """Return the URL of a redirect and the headers to send there: a token stays with its host.

    Raises `WrongContent` for a redirect from https to another scheme, or to an invalid URL.
    """
    try:
        url = urljoin(response.url, response.headers.get("Location", ""))
    except ValueError as error:
        here = redact_url(response.url)
        raise WrongContent(f"{here}: the redirect is not a valid URL: {error}") from error
    if urlsplit(url).scheme not in {"https", urlsplit(response.url).scheme}:
        raise WrongContent(f"{redact_url(response.url)}: redirects to a URL without TLS")
    if same_origin(url, response.url):
        return url, headers
    return url, {name: text for name, text in headers.items() if name != "Authorization"}


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]


_SPARE = memoryview(bytearray(1))
