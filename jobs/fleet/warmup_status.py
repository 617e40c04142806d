"""Warm-up of a model that no worker has loaded yet."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.states import Phase


@dataclass(frozen=True)
class WarmupStatus:
    """What a worker is doing before it can run the first job of a model."""

    phase: Phase
    """`downloading_weights`, or `loading_model`."""
    done_bytes: int
    total_bytes: int
    """0 if unknown."""

    @property
    def percent(self) -> float | None:
        """None if the total is unknown."""
        return percent(self.done_bytes, self.total_bytes)


def percent(done_bytes: int, total_bytes: int) -> float | None:
    """Percentage with one decimal. None if the total is unknown."""
    return round(100 * min(done_bytes, total_bytes) / total_bytes, 1) if total_bytes else None


def warmup_status(weights: WeightsStatus) -> WarmupStatus:
    """The warm-up of a model by what its worker reports: downloading, or loading now or next."""
    if weights.state is WeightsState.DOWNLOADING:
        return WarmupStatus(Phase.DOWNLOADING_WEIGHTS, weights.done_bytes, weights.total_bytes)
    done_bytes = weights.done_bytes if weights.state is WeightsState.LOADING else 0
    return WarmupStatus(Phase.LOADING_MODEL, done_bytes, weights.total_bytes)
