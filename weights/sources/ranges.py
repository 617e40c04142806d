"""A file on any kind of web server, read by ranges; `hub`, `web` and `gcs` resolve its URL."""

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
    page,
    refusal,
    refuse_pages,
    shown,
    strong_etag,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from weights.errors import WeightsError
    from weights.sources.base import Remote
    from weights.sources.http_client import Answer, Connections

MAX_REDIRECTS = 5

_EXPIRED = frozenset({400, 401, 403, 404, 410})
"""How servers refuse an address whose signature is too old."""


@dataclass(frozen=True)
class Found:
    """Where the bytes of a file are at this moment."""

    remote: Remote
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    """The strong ETag at that address, where it is known before the first answer."""
    may_expire: bool = False
    """Whether the address is good for a while only: it is looked up again when it is refused."""


class HttpFile:
    """A `Source` that asks for ranges, and takes no byte of another file for one of this.

    `look` finds the file anew. A file is told from another by its size and, between two answers of
    one address, by a strong ETag.
    """

    def __init__(self, name: str, connections: Connections, look: Callable[[], Found]) -> None:
        self._name = name
        self._connections = connections
        self._look = look
        self._found: Found | None = None
        self._etags: dict[str, str] = {}
        self._ranges = True
        self._lock = Lock()

    def __str__(self) -> str:
        return self._name

    def stat(self) -> Remote:
        """Ask for its size and digest. Raises `WeightsError`."""
        with self._lock:
            self._found = self._look()
            return self._remote(self._found)

    @contextmanager
    def open(self, remote: Remote, start: int, end: int) -> Iterator[Body]:
        """Ask for the bytes `start` to `end` (exclusive) of that very file."""
        found = self._place(remote)
        with ExitStack() as answers:
            answer = self._ask(answers, found, (start, end))
            if answer.status in _EXPIRED and found.may_expire:
                answers.close()
                self._forget(found)
                found = self._place(remote)
                answer = self._ask(answers, found, (start, end))
            self._check(answer, found, (start, end))
            yield Body(answer, self._name, end - start)

    def _place(self, remote: Remote) -> Found:
        """Where that file is: looked up by the first who asks, for all."""
        with self._lock:
            found = self._found = self._found or self._look()
        known = found.remote
        if (known.size_bytes, known.validator) != (remote.size_bytes, remote.validator):
            raise RemoteChanged(f"{self._name}: the source has another file by now")
        return found

    def _forget(self, found: Found) -> None:
        with self._lock:
            if self._found is found:
                self._found = None

    def _ask(self, answers: ExitStack, found: Found, span: tuple[int, int]) -> Answer:
        whole = span == (0, found.remote.size_bytes) and not self._remote(found).ranges
        wanted = {} if whole else {"Range": f"bytes={span[0]}-{span[1] - 1}"}
        headers = {**found.headers, **wanted}
        try:
            answer = answers.enter_context(follow(self._connections, "GET", found.url, headers))
        except SourceUnavailable:
            if found.may_expire:
                self._forget(found)
            raise
        if answer.status >= 500 and found.may_expire:
            self._forget(found)
        return answer

    def _remote(self, found: Found) -> Remote:
        return found.remote if self._ranges else replace(found.remote, ranges=False)

    def _check(self, answer: Answer, found: Found, span: tuple[int, int]) -> None:
        """Raise unless these are the bytes that were asked for, of the file that was found."""
        if answer.status >= 400:
            raise refusal(answer, self._name)
        size = found.remote.size_bytes
        if answer.status == 200 and answer.length not in {None, size}:
            raise self._other(answer)
        refuse_pages(answer)
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise WrongContent(f"{self._name}: comes packed, which was not asked for")
        self._check_etag(answer, found)
        if answer.status == 206:
            self._check_part(answer, size, span)
        elif answer.status != 200:
            raise WrongContent(f"{self._name}: answers {answer.status}")
        elif span != (0, size):
            self._ranges = False
            raise SourceUnavailable(f"{self._name}: sends the whole file when asked for a part")

    def _check_part(self, answer: Answer, size: int, span: tuple[int, int]) -> None:
        start, end, total = content_range(answer)
        if total not in {None, size}:
            raise RemoteChanged(f"{self._name}: has {total} bytes by now, not {size}")
        if (start, end) != span or answer.length not in {None, end - start}:
            raise WrongContent(
                f"{self._name}: sends bytes {start} to {end} when asked for {span[0]} to {span[1]}"
            )

    def _check_etag(self, answer: Answer, found: Found) -> None:
        etag = strong_etag(answer.headers.get("ETag"))
        if etag is None:
            return
        if etag != (found.etag or self._etags.setdefault(shown(answer.url), etag)):
            raise RemoteChanged(f"{self._name}: the source has another file by now (ETag {etag})")

    def _other(self, answer: Answer) -> WeightsError:
        """Say why a whole answer of another length is not the file."""
        body = answer.excerpt()
        if body.lstrip()[:1] == b"<" or answer.headers.get_content_subtype() == "html":
            return page(answer, body)
        return RemoteChanged(f"{self._name}: has {answer.length} bytes by now")


class Body:
    """The bytes of one range; it ends where the range ends, or raises."""

    def __init__(self, answer: Answer, name: str, length: int) -> None:
        self._answer = answer
        self._name = name
        self._length = length
        self._left = length

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of the buffer; 0 at the end. Raises `WeightsError`."""
        if not self._left:
            return 0
        count = self._answer.readinto(buffer[: self._left])
        if not count:
            done = self._length - self._left
            raise SourceUnavailable(f"{self._name}: cut after {done} of {self._length} bytes")
        self._left -= count
        if not self._left and not self._answer.whole and self._answer.readinto(_SPARE[:]):
            raise WrongContent(f"{self._name}: sends more bytes than it said")
        return count


@contextmanager
def follow(
    connections: Connections, method: str, url: str, headers: Mapping[str, str]
) -> Iterator[Answer]:
    """Ask, and ask again where a redirect leads, a few times."""
    for _ in range(MAX_REDIRECTS + 1):
        with connections.send(method, url, headers) as answer:
            if answer.status not in REDIRECTS:
                yield answer
                return
            answer.excerpt()
            url, headers = hop(answer, headers)
    raise WrongContent(f"{shown(url)}: redirects more than {MAX_REDIRECTS} times")


def hop(answer: Answer, headers: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Where a redirect leads, and the headers to take along: a token stays with its host.

    Raises `WrongContent` when it leads from https to anything else.
    """
    url = urljoin(answer.url, answer.headers.get("Location", ""))
    if urlsplit(url).scheme not in {"https", urlsplit(answer.url).scheme}:
        raise WrongContent(f"{shown(answer.url)}: redirects to an address without TLS")
    if same_host(url, answer.url):
        return url, headers
    return url, {name: text for name, text in headers.items() if name != "Authorization"}


def same_host(one: str, other: str) -> bool:
    """Whether two addresses are of one scheme, host and port."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]


_SPARE = memoryview(bytearray(1))
