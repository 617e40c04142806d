"""Retry deadline, backoff and timeouts of requests to a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class RetryConfig:
    """Retry deadline, backoff and timeouts of each request (one chunk of a transfer)."""

    deadline_seconds: float = 120.0
    initial_delay_seconds: float = 0.5
    max_delay_seconds: float = 15.0
    connect_seconds: float = 10.0
    read_seconds: float = 60.0

    @classmethod
    def within(cls, seconds: float) -> Self:
        """For a caller who waits this long in all: no single request may take longer."""
        return cls(
            deadline_seconds=seconds,
            max_delay_seconds=min(cls.max_delay_seconds, seconds / 4),
            connect_seconds=seconds / 2,
            read_seconds=seconds,
        )
