"""Download source: any web server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from weights.errors import WrongContent
from weights.sources.base import RemoteFile
from weights.sources.http_responses import (
    content_range,
    error_for_status,
    redact_url,
    reject_html,
    strong_etag,
)
from weights.sources.http_source import (
    HttpSource,
    ResolvedFile,
    same_origin,
    send_following_redirects,
)

if TYPE_CHECKING:
    from weights.sources.http_client import ConnectionPool, Response

_NO_HEAD = frozenset({400, 403, 405, 501})
"""Statuses by which servers, and URLs signed only for GET, reject a HEAD request."""


def web_source(url: str, pool: ConnectionPool) -> HttpSource:
    """Return the source of `https://…`."""
    return HttpSource(redact_url(url), pool, _WebFile(url, pool).resolve)


class _WebFile:
    def __init__(self, url: str, pool: ConnectionPool) -> None:
        self._url = url
        self._pool = pool

    def resolve(self) -> ResolvedFile:
        """Request size and ETag: by HEAD, else by a GET of the first byte."""
        with send_following_redirects(self._pool, "HEAD", self._url, {}) as response:
            if response.status not in _NO_HEAD:
                self._check(response)
                if response.length and response.headers.get("Accept-Ranges") == "bytes":
                    return self._resolved(response, response.length, ranges=True)
        with send_following_redirects(
            self._pool, "GET", self._url, {"Range": "bytes=0-0"}
        ) as response:
            self._check(response)
            if response.status == 206:
                _, _, size = content_range(response)
                response.excerpt()
            else:
                size = response.length
            if not size:
                raise WrongContent(f"{redact_url(self._url)}: the server does not report its size")
            return self._resolved(response, size, ranges=response.status == 206)

    def _check(self, response: Response) -> None:
        if response.status >= 400:
            raise error_for_status(response, redact_url(self._url))
        if not urlsplit(self._url).path.endswith((".html", ".htm")):
            reject_html(response)

    def _resolved(self, response: Response, size: int, *, ranges: bool) -> ResolvedFile:
        etag = strong_etag(response.headers.get("ETag"))
        return ResolvedFile(
            RemoteFile(size, validator=etag, ranges=ranges),
            response.url,
            etag=etag,
            may_expire=not same_origin(response.url, self._url),
        )
