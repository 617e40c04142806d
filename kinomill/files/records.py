"""Uploaded files as the API shows them; `raw` is the JSON object."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from kinomill.job_parts import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class File:
    """An uploaded file. Its `id` is the value of a media input, in any number of jobs.

    `status` is ready, or uploading while its bytes arrive; `content_type` is known by its content.
    """

    id: str
    status: str
    filename: str
    bytes: int
    created_at: datetime
    expires_at: datetime
    content_type: str | None = None
    sha256: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a file."""
        times = {name: datetime.fromisoformat(raw[name]) for name in ("created_at", "expires_at")}
        return record(cls, raw, raw=raw, sha256=raw["checksums"]["sha256"], **times)


@dataclass(frozen=True)
class FilePage:
    """A page of files, newest first; `next_cursor` leads to the next one."""

    items: tuple[File, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[File]:
        return iter(self.items)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a page."""
        return cls(tuple(File.from_json(file) for file in raw["items"]), raw.get("next_cursor"))
