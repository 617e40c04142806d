"""Files at an address of any web server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from weights.errors import WrongContent
from weights.sources.base import Remote
from weights.sources.http_responses import content_range, refusal, refuse_pages, shown, strong_etag
from weights.sources.ranges import Found, HttpFile, follow, same_host

if TYPE_CHECKING:
    from weights.sources.http_client import Answer, Connections

_NO_HEAD = frozenset({400, 403, 405, 501})
"""How servers, and addresses signed for GET alone, refuse a HEAD."""


def web_file(url: str, connections: Connections) -> HttpFile:
    """Make a source of `https://…`."""
    return HttpFile(shown(url), connections, _Web(url, connections).look)


class _Web:
    def __init__(self, url: str, connections: Connections) -> None:
        self._url = url
        self._connections = connections

    def look(self) -> Found:
        """Ask for size and ETag: by HEAD, else by a GET of the first byte."""
        with follow(self._connections, "HEAD", self._url, {}) as answer:
            if answer.status not in _NO_HEAD:
                self._check(answer)
                if answer.length and answer.headers.get("Accept-Ranges") == "bytes":
                    return self._found(answer, answer.length, ranges=True)
        with follow(self._connections, "GET", self._url, {"Range": "bytes=0-0"}) as answer:
            self._check(answer)
            if answer.status == 206:
                _, _, size = content_range(answer)
                answer.excerpt()
            else:
                size = answer.length
            if not size:
                raise WrongContent(f"{shown(self._url)}: does not say how long it is")
            return self._found(answer, size, ranges=answer.status == 206)

    def _check(self, answer: Answer) -> None:
        if answer.status >= 400:
            raise refusal(answer, shown(self._url))
        if not urlsplit(self._url).path.endswith((".html", ".htm")):
            refuse_pages(answer)

    def _found(self, answer: Answer, size: int, *, ranges: bool) -> Found:
        etag = strong_etag(answer.headers.get("ETag"))
        return Found(
            Remote(size, validator=etag, ranges=ranges),
            answer.url,
            etag=etag,
            may_expire=not same_host(answer.url, self._url),
        )
