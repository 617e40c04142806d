"""What is left of a quota: shown with an accepted submission, and with one that is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class QuotaState:
    """What is left of one quota of requests."""

    name: str
    limit: int
    window_seconds: int
    left: int
    reset_seconds: float
    """When the whole quota is available again."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Read what `admit` returned."""
        return cls(
            name=raw["name"],
            limit=int(raw["limit"]),
            window_seconds=max(1, round(raw["window"])),
            left=int(raw["left"]),
            reset_seconds=raw["reset"],
        )
