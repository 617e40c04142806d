"""Whether a worker has started and is ready, from its volume, its child and its consumer."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from workers.shared import child_status
from workers.shared.figures import FIGURES, ProcessFigures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workers.parent.weights_prefetcher import WeightsPrefetcher
    from workers.shared.child_status import ChildStatus

_READY_STATES = (WeightsState.LOADED, WeightsState.ON_DISK)
"""What the child reports of a warm model that it has loaded, or that does not fit its memory."""
_CHANGING_STATES = (WeightsState.DOWNLOADING, WeightsState.LOADING)
_PHASES = {
    WeightsState.ABSENT: "downloading_weights",
    WeightsState.DOWNLOADING: "downloading_weights",
    WeightsState.ON_DISK: "loading_model",
    WeightsState.LOADING: "loading_model",
    WeightsState.FAILED: "failed",
}


@dataclass(frozen=True)
class ReadinessSnapshot:
    """The state of the worker at one moment."""

    weights: Mapping[str, WeightsStatus]
    """Of each of its models."""
    ready: frozenset[str]
    """The models that a job may be taken for: on demand, or in memory."""
    evictions: int
    child_alive: bool

    @property
    def changing(self) -> bool:
        """Whether a download or a load is in progress, which callers want to watch."""
        return any(weights.state in _CHANGING_STATES for weights in self.weights.values())


class Readiness:
    """Combines what the prefetcher sees on the volume with what the child reports."""

    def __init__(self, prefetcher: WeightsPrefetcher, warm: frozenset[str], folder: Path) -> None:
        self._prefetcher = prefetcher
        self._warm = warm
        self._folder = folder
        self._lock = threading.Lock()
        self._past_evictions = 0
        self._past_figures = ProcessFigures()
        self._last: ChildStatus | None = None
        self.started = False
        """Whether all warm models have been ready at the same time; never reset."""
        self.draining = False

    def snapshot(self) -> ReadinessSnapshot:
        """Return the state of this moment."""
        status = child_status.read(self._folder)
        alive = status is not None and status.alive
        reported = status.models if status is not None and alive else {}
        weights = {
            name: _merged(on_disk, reported.get(name))
            for name, on_disk in list(self._prefetcher.weights.items())
        }
        cold = {name for name in self._warm if not _is_ready(reported.get(name))}
        self.started = self.started or not cold
        evictions = self._evictions(status)
        return ReadinessSnapshot(weights, frozenset(weights) - cold, evictions, child_alive=alive)

    def figures(self) -> ProcessFigures:
        """Return what the parent and all its children have measured."""
        self._follow(child_status.read(self._folder))
        with self._lock:
            measured = FIGURES.with_later(self._past_figures)
            return measured.with_later(self._last.figures) if self._last else measured

    def not_started_reason(self) -> dict[str, Any] | None:
        """Return the first warm model that is not ready, with progress. None: it has started."""
        snapshot = self.snapshot()
        return None if self.started else _waiting_for(snapshot)

    def not_ready_reason(self) -> dict[str, Any] | None:
        """Return why a job that came now would wait or fail. None: it would start at once."""
        snapshot = self.snapshot()
        if self.draining:
            return {"detail": "The worker is draining."}
        if not snapshot.child_alive:
            return {"detail": "The worker's child process is starting."}
        return None if set(snapshot.weights) == snapshot.ready else _waiting_for(snapshot)

    def _evictions(self, status: ChildStatus | None) -> int:
        """Return the sum over all children: each counts from zero."""
        self._follow(status)
        with self._lock:
            return self._past_evictions + (self._last.evictions if self._last else 0)

    def _follow(self, status: ChildStatus | None) -> None:
        """Keep what the last child has counted when another one follows it."""
        with self._lock:
            if self._last and status and status.pid != self._last.pid:
                self._past_evictions += self._last.evictions
                self._past_figures = self._past_figures.with_later(self._last.figures)
            self._last = status or self._last


def _is_ready(reported: WeightsStatus | None) -> bool:
    return reported is not None and reported.state in _READY_STATES


def _merged(on_disk: WeightsStatus, reported: WeightsStatus | None) -> WeightsStatus:
    """Prefer what the child reports of memory and of its own download; else the volume's state."""
    if reported is None or reported.state in (WeightsState.ON_DISK, WeightsState.ABSENT):
        return on_disk
    return reported


def _waiting_for(snapshot: ReadinessSnapshot) -> dict[str, Any]:
    """Describe the first model that is not ready."""
    model = next(name for name in snapshot.weights if name not in snapshot.ready)
    weights = snapshot.weights[model]
    reason: dict[str, Any] = {"phase": _PHASES.get(weights.state, "starting"), "model": model}
    if weights.total_bytes:
        reason["percent"] = round(100 * weights.done_bytes / weights.total_bytes, 1)
    if weights.bytes_per_second is not None:
        reason["mb_per_s"] = round(weights.bytes_per_second / 1e6, 1)
    optional = {"file": weights.file, "detail": weights.detail}
    return reason | {name: value for name, value in optional.items() if value is not None}
