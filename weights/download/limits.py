"""How hard a pull works, and how long it bears with a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from weights.settings import WeightsSettings

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Limits of one pull over all its files."""

    connections: int = 16
    """How many ranges are fetched at once."""
    part_bytes: int = 32 * MIB
    """The longest range that is asked for at once."""
    stall_seconds: float = 30.0
    """A connection must bring something worth the name within this time, or is given up."""
    patience_seconds: float = 600.0
    """How long all sources of a file may be away in all, without a byte, before the pull ends."""

    @classmethod
    def of(cls, settings: WeightsSettings) -> Self:
        """The limits that the environment sets."""
        return cls(
            connections=settings.weights_connections,
            stall_seconds=settings.weights_stall_seconds,
            patience_seconds=settings.weights_patience.total_seconds(),
        )
