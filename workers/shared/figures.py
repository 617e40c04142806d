"""What a process of a worker has measured: the parent shows its own and those of its children."""

from __future__ import annotations

from collections import Counter
from typing import Final, Self

from pydantic import BaseModel


class ProcessFigures(BaseModel):
    """Figures since the start of a process, by model."""

    weights_bytes: dict[str, int] = {}
    """Bytes of weights that it downloaded."""
    pull_seconds: dict[str, list[float]] = {}
    """Time of each download that succeeded."""
    cold_start: dict[str, dict[str, float]] = {}
    """Seconds of the last time, by phase and model; an empty name for what is of no model."""
    gpu_peak_bytes: dict[str, int] = {}
    """Most memory that torch reserved on a GPU in an attempt."""

    def record_phase(self, phase: str, seconds: float, model: str = "") -> None:
        """Set how long a phase of a cold start took."""
        self.cold_start.setdefault(phase, {})[model] = seconds

    def record_pull(self, model: str, seconds: float) -> None:
        """Add a download that succeeded."""
        self.pull_seconds.setdefault(model, []).append(seconds)

    def record_gpu_peak(self, model: str, size_bytes: int) -> bool:
        """Set the peak of a model if it is higher than all before. Returns whether it is."""
        higher = size_bytes > self.gpu_peak_bytes.get(model, 0)
        if higher:
            self.gpu_peak_bytes[model] = size_bytes
        return higher

    def with_later(self, later: Self) -> Self:
        """These and the figures of a process that was started later."""
        models = {*self.pull_seconds, *later.pull_seconds}
        phases = {*self.cold_start, *later.cold_start}
        peaks = {*self.gpu_peak_bytes, *later.gpu_peak_bytes}
        return type(self)(
            weights_bytes=dict(Counter(self.weights_bytes) + Counter(later.weights_bytes)),
            pull_seconds={
                name: [*self.pull_seconds.get(name, []), *later.pull_seconds.get(name, [])]
                for name in models
            },
            cold_start={
                name: self.cold_start.get(name, {}) | later.cold_start.get(name, {})
                for name in phases
            },
            gpu_peak_bytes={
                name: max(self.gpu_peak_bytes.get(name, 0), later.gpu_peak_bytes.get(name, 0))
                for name in peaks
            },
        )


FIGURES: Final = ProcessFigures()
"""Those of this process."""
