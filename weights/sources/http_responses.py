"""Interprets statuses and headers of HTTP responses for downloads."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from weights.errors import (
    AccessDenied,
    RemoteChanged,
    SourceNotFound,
    SourceUnavailable,
    WeightsError,
    WrongContent,
)

if TYPE_CHECKING:
    from weights.sources.http_client import Response

REDIRECTS = frozenset({301, 302, 303, 307, 308})

_BUSY = frozenset({408, 425, 429})
_TITLE = re.compile(rb"<title[^>]*>\s*(.{1,100}?)\s*</title>", re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def redact_url(url: str) -> str:
    """Return a URL for messages: without credentials and query, which may hold a signature."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def error_for_status(response: Response, what: str) -> WeightsError:
    """Return the error for a response with a status of 400 or above."""
    status = response.status
    if status in _BUSY or status >= 500:
        delay = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        return SourceUnavailable(f"{what}: status {status}", retry_after_seconds=delay)
    if status in {401, 403}:
        return AccessDenied(f"{what}: access denied (status {status})")
    if status in {404, 410}:
        return SourceNotFound(f"{what}: not found (status {status})")
    if status in {412, 416}:
        return RemoteChanged(f"{what}: changed at the source (status {status})")
    return WeightsError(f"{what}: unexpected status {status}")


def retry_after(text: str | None, now: datetime) -> float | None:
    """Parse `Retry-After`, in seconds or as a date. None if absent or invalid."""
    if not text:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def strong_etag(text: str | None) -> str | None:
    """Return a strong ETag; None for a weak one, which does not guarantee equal bytes."""
    return text if text and not text.startswith("W/") else None


def content_range(response: Response) -> tuple[int, int, int | None]:
    """Return start, end (exclusive) and total size from the `Content-Range` of a 206 response."""
    match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None:
        raise WrongContent(f"{redact_url(response.url)}: status 206 without a valid Content-Range")
    total = None if match[3] == "*" else int(match[3])
    return int(match[1]), int(match[2]) + 1, total


def reject_html(response: Response) -> None:
    """Raise `WrongContent` for an HTML page instead of a file."""
    content_type = response.headers.get_content_type()
    if content_type in {"text/html", "application/xhtml+xml"}:
        raise html_error(response, response.excerpt())


def html_error(response: Response, body: bytes) -> WrongContent:
    """Return the error for an HTML page, with the page's title."""
    title = _TITLE.search(body)
    quoted = f" ({title[1].decode('utf-8', 'replace')!r})" if title else ""
    return WrongContent(f"{redact_url(response.url)}: got an HTML page{quoted} instead of the file")
