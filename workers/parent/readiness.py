"""What a worker has of its models, from all that knows a part of it: volume, child, consumer."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from workers.shared import child_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workers.parent.weights_prefetcher import WeightsPrefetcher
    from workers.shared.child_status import ChildStatus

_IN_MEMORY_OR_LEFT = (WeightsState.LOADED, WeightsState.ON_DISK)
_PHASES = {
    WeightsState.ABSENT: "downloading_weights",
    WeightsState.DOWNLOADING: "downloading_weights",
    WeightsState.ON_DISK: "loading_model",
    WeightsState.LOADING: "loading_model",
    WeightsState.FAILED: "failed",
}


@dataclass(frozen=True)
class ReadinessSnapshot:
    """How the worker stands at one moment."""

    weights: Mapping[str, WeightsStatus]
    """Of each of its models."""
    ready: frozenset[str]
    """The models that a job may be taken for: on demand, or in memory."""
    evictions: int
    child: bool
    """Whether there is a child to run jobs."""

    @property
    def busy(self) -> bool:
        """Whether something comes nearer at the moment, so that callers watch it."""
        moving = (WeightsState.DOWNLOADING, WeightsState.LOADING)
        return any(one.state in moving for one in self.weights.values())


class Readiness:
    """Combines what the prefetcher sees on the volume with what the child reports."""

    def __init__(self, prefetcher: WeightsPrefetcher, warm: frozenset[str], folder: Path) -> None:
        self._prefetcher = prefetcher
        self._warm = warm
        self._folder = folder
        self._lock = threading.Lock()
        self._past_evictions = 0
        self._last: ChildStatus | None = None
        self.started = False
        """Once all warm models were ready at the same time; never taken back."""
        self.draining = False

    def snapshot(self) -> ReadinessSnapshot:
        """Look now."""
        status = self._read()
        alive = status is not None and status.alive
        said = status.models if status is not None and alive else {}
        weights = {
            name: _joined(on_disk, said.get(name))
            for name, on_disk in list(self._prefetcher.weights.items())
        }
        cold = {name for name in self._warm if not _is_ready(said.get(name))}
        self.started = self.started or not cold
        return ReadinessSnapshot(
            weights, frozenset(weights) - cold, self._evictions(status), child=alive
        )

    def not_started_reason(self) -> dict[str, Any] | None:
        """The first warm model that was never ready, and how far it is. None: all were."""
        snapshot = self.snapshot()
        return None if self.started else _tell(snapshot)

    def not_ready_reason(self) -> dict[str, Any] | None:
        """Why a job that came now would wait or fail. None: it would not."""
        snapshot = self.snapshot()
        if self.draining:
            return {"detail": "The worker was told to stop."}
        if not snapshot.child:
            return {"detail": "The worker's child starts."}
        return None if set(snapshot.weights) == snapshot.ready else _tell(snapshot)

    def _read(self) -> ChildStatus | None:
        return child_status.read(self._folder)

    def _evictions(self, status: ChildStatus | None) -> int:
        """Of all children together: each counts for itself."""
        with self._lock:
            if self._last and status and status.pid != self._last.pid:
                self._past_evictions += self._last.evictions
            self._last = status or self._last
            return self._past_evictions + (self._last.evictions if self._last else 0)


def _is_ready(said: WeightsStatus | None) -> bool:
    return said is not None and said.state in _IN_MEMORY_OR_LEFT


def _joined(on_disk: WeightsStatus, said: WeightsStatus | None) -> WeightsStatus:
    """The child knows best what it is at; else the volume speaks."""
    if said is None or said.state in (WeightsState.ON_DISK, WeightsState.ABSENT):
        return on_disk
    return said


def _tell(snapshot: ReadinessSnapshot) -> dict[str, Any]:
    cold = [name for name in snapshot.weights if name not in snapshot.ready]
    model = cold[0]
    weights = snapshot.weights[model]
    told: dict[str, Any] = {"phase": _PHASES.get(weights.state, "starting"), "model": model}
    if weights.total_bytes:
        told["percent"] = round(100 * weights.done_bytes / weights.total_bytes, 1)
    if weights.bytes_per_second is not None:
        told["mb_per_s"] = round(weights.bytes_per_second / 1e6, 1)
    more = {"file": weights.file, "detail": weights.detail}
    return told | {name: value for name, value in more.items() if value is not None}
