"""Concurrency and timeouts of a pull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from weights.settings import WeightsSettings

MIB = 1024 * 1024


@dataclass(frozen=True)
class PullLimits:
    """Limits of one pull, over all its files."""

    connections: int = 16
    """Number of ranges downloaded at the same time."""
    part_bytes: int = 32 * MIB
    """Largest range of one request."""
    stall_seconds: float = 30.0
    """A connection that delivers less than `MIN_PROGRESS_BYTES` in this time is closed."""
    retry_timeout_seconds: float = 600.0
    """How long a file may receive no byte, over all its sources, before the pull fails."""

    @classmethod
    def from_settings(cls, settings: WeightsSettings) -> Self:
        """Return the limits of the settings."""
        return cls(
            connections=settings.weights_connections,
            stall_seconds=settings.weights_stall_seconds,
            retry_timeout_seconds=settings.weights_retry_timeout.total_seconds(),
        )
