"""What the statuses and headers of a web server mean for a download."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from weights.errors import (
    AccessDenied,
    NotAtSource,
    RemoteChanged,
    SourceUnavailable,
    WeightsError,
    WrongContent,
)

if TYPE_CHECKING:
    from weights.sources.http_client import Answer

REDIRECTS = frozenset({301, 302, 303, 307, 308})

_BUSY = frozenset({408, 425, 429})
_TITLE = re.compile(rb"<title[^>]*>\s*(.{1,100}?)\s*</title>", re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def shown(url: str) -> str:
    """An address for people: without its query, which may hold a signature."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def refusal(answer: Answer, what: str) -> WeightsError:
    """Return the error that an answer of 400 and above is."""
    status = answer.status
    if status in _BUSY or status >= 500:
        wait = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
        return SourceUnavailable(f"{what}: answers {status}", retry_after_seconds=wait)
    if status in {401, 403}:
        return AccessDenied(f"{what}: answers {status}, we may not have it")
    if status in {404, 410}:
        return NotAtSource(f"{what}: is not there ({status})")
    if status in {412, 416}:
        return RemoteChanged(f"{what}: has changed ({status})")
    return WeightsError(f"{what}: answers {status}")


def retry_after(text: str | None, now: datetime) -> float | None:
    """Read `Retry-After`: seconds, or a date. None if there is none, or nobody can read it."""
    if not text:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def strong_etag(text: str | None) -> str | None:
    """Return an ETag that promises equal bytes; a weak one does not."""
    return text if text and not text.startswith("W/") else None


def content_range(answer: Answer) -> tuple[int, int, int | None]:
    """First byte, end (exclusive) and size of the file that a 206 speaks of."""
    match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if match is None:
        raise WrongContent(f"{shown(answer.url)}: answers a part without saying which")
    total = None if match[3] == "*" else int(match[3])
    return int(match[1]), int(match[2]) + 1, total


def refuse_pages(answer: Answer) -> None:
    """Raise `WrongContent` for an HTML page in place of a file."""
    kind = answer.headers.get_content_type()
    if kind in {"text/html", "application/xhtml+xml"}:
        raise page(answer, answer.excerpt())


def page(answer: Answer, body: bytes) -> WrongContent:
    """Name a page by its title."""
    title = _TITLE.search(body)
    words = f" ({title[1].decode('utf-8', 'replace')!r})" if title else ""
    return WrongContent(f"{shown(answer.url)}: an HTML page{words} came instead of the file")
