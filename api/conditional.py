"""Conditional requests and ranges (RFC 9110, 13 and 14) for files whose bytes never change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.responses import FileResponse
from starlette.responses import MalformedRangeHeader, RangeNotSatisfiable

from api.errors.problems import Problem
from api.etags import is_known
from jobs.errors import ErrorCode

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from storage.base import StoredObject

_BYTES: Final = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
DOWNLOAD: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file.", "content": _BYTES},
    206: {"description": "The part of the file that `Range` asks for.", "content": _BYTES},
    304: {"description": "The caller has the file: its ETag is in If-None-Match."},
}
"""OpenAPI responses of a download."""

_RANGE: Final = re.compile(r"\d{1,18}\s*-\s*(\d{1,18})?|-\s*\d{1,18}", re.ASCII)


@dataclass(frozen=True)
class Validators:
    """What identifies the version of a file: a strong ETag, and its time of creation."""

    etag: str
    modified: datetime

    @classmethod
    def of_digest(cls, sha256: str, modified: datetime) -> Validators:
        """Those of a file with this SHA-256: a caller knows it from the job or the file."""
        return cls(f'"{sha256}"', modified)

    @classmethod
    def of_object(cls, stored: StoredObject) -> Validators:
        """Those of an object. Without a digest its time of creation identifies it."""
        if stored.sha256 is not None:
            return cls.of_digest(stored.sha256, stored.created_at)
        made = f"{stored.created_at.timestamp():.6f}"
        return cls(f'"{stored.crc32c}-{stored.size_bytes}-{made}"', stored.created_at)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every response with the file, or a part of it, or without it (304)."""
        modified = format_datetime(self.modified.astimezone(UTC), usegmt=True)
        return {"ETag": self.etag, "Last-Modified": modified, "Accept-Ranges": "bytes"}

    def known_to(self, headers: Headers) -> bool:
        """Whether the caller has the file already: the response is 304."""
        tags = ", ".join(headers.getlist("if-none-match"))
        if tags:
            return is_known(tags, self.etag)
        since = _http_date(headers.get("if-modified-since", ""))
        return since is not None and self.modified.replace(microsecond=0) <= since

    def wanted_range(self, headers: Headers, size: int) -> tuple[int, int] | None:
        """First byte and the one after the last; None: the whole file.

        Several ranges at once are answered with the whole, as any server may.
        Raises `Problem` for a range that is invalid or behind the end.
        """
        wanted = headers.get("range", "")
        condition = headers.get("if-range", self.etag)
        if not in_bytes(wanted) or condition not in {self.etag, self.headers["Last-Modified"]}:
            return None
        ranges = parse_ranges(wanted, size)
        return ranges[0] if len(ranges) == 1 else None


def in_bytes(wanted: str) -> bool:
    """Whether a Range header counts in bytes; one in another unit is ignored."""
    return wanted.partition("=")[0].strip().lower() == "bytes"


def parse_ranges(wanted: str, size: int) -> list[tuple[int, int]]:
    """The ranges of a Range header. Raises `Problem`: 400 if invalid, 416 behind the end."""
    listed = [one.strip() for one in wanted.partition("=")[2].split(",") if one.strip()]
    if not all(map(_RANGE.fullmatch, listed)):
        raise _malformed()
    inside = [one for one in listed if _begins_inside(one, size)]
    try:
        return FileResponse._parse_range_header(f"bytes={','.join(inside or listed)}", size)
    except MalformedRangeHeader as error:
        raise _malformed() from error
    except RangeNotSatisfiable as error:
        detail = f"The file has {size:,} bytes; the range starts after its end."
        status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem(ErrorCode.INVALID_INPUT, detail, status=status, headers=headers) from error


def _malformed() -> Problem:
    detail = "The Range header is invalid. Send, for example, bytes=0-999."
    return Problem(ErrorCode.INVALID_INPUT, detail, status=HTTPStatus.BAD_REQUEST)


def _begins_inside(one: str, size: int) -> bool:
    """Whether the file has the first byte of a range; `-5` are the last five."""
    first, _, last = one.partition("-")
    return int(first) < size if first.strip() else int(last) > 0


def _http_date(text: str) -> datetime | None:
    """The time of a header; None for one that is no date: RFC 9110 has it ignored."""
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
