"""What the operations on deliveries return; `raw` is the JSON object as received."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from kinomill.job_parts import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class DeliveryAttempt:
    """One request to the receiver: HTTP `status` or None, and why it failed."""

    at: datetime
    status: int | None = None
    reason: str | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of an attempt."""
        return record(cls, raw, at=datetime.fromisoformat(raw["at"]))


@dataclass(frozen=True)
class Delivery:
    """A message to a webhook: `status` is pending, delivered or failed."""

    id: str
    job: str
    event: str
    url: str
    status: str
    created_at: datetime
    attempts: tuple[DeliveryAttempt, ...]
    raw: Mapping[str, Any] = field(repr=False)
    next_attempt_at: datetime | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a delivery."""
        after = raw.get("next_attempt_at")
        return record(
            cls,
            raw,
            created_at=datetime.fromisoformat(raw["created_at"]),
            next_attempt_at=None if after is None else datetime.fromisoformat(after),
            attempts=tuple(DeliveryAttempt.from_json(each) for each in raw["attempts"]),
            raw=raw,
        )


@dataclass(frozen=True)
class DeliveryPage:
    """Some deliveries, newest first; `next_cursor` leads to more."""

    items: tuple[Delivery, ...]
    next_cursor: str | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a page, or of the deliveries of a job."""
        items = tuple(Delivery.from_json(each) for each in raw["items"])
        return cls(items, raw.get("next_cursor"))

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self.items)
