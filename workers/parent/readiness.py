"""What a worker has of its models, from all that knows a part of it: volume, child, consumer."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.fleet.worker_registry import Stock, Weights
from workers.shared import child_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workers.parent.weights_prefetcher import Larder
    from workers.shared.child_status import Note

_IN_MEMORY_OR_LEFT = (Stock.LOADED, Stock.ON_DISK)
_PHASES = {
    Stock.ABSENT: "downloading_weights",
    Stock.DOWNLOADING: "downloading_weights",
    Stock.ON_DISK: "loading_model",
    Stock.LOADING: "loading_model",
    Stock.BROKEN: "broken",
}


@dataclass(frozen=True)
class Standing:
    """How the worker stands at one moment."""

    weights: Mapping[str, Weights]
    """Of each of its models."""
    ready: frozenset[str]
    """The models that a job may be taken for: on demand, or in memory."""
    switches: int
    child: bool
    """Whether there is a child to run jobs."""

    @property
    def busy(self) -> bool:
        """Whether something comes nearer at the moment, so that callers watch it."""
        moving = (Stock.DOWNLOADING, Stock.LOADING)
        return any(one.state in moving for one in self.weights.values())


class Readiness:
    """Puts together what the larder sees on the volume and what the child wrote on its slate."""

    def __init__(self, larder: Larder, warm: frozenset[str], folder: Path) -> None:
        self._larder = larder
        self._warm = warm
        self._folder = folder
        self._lock = threading.Lock()
        self._past_switches = 0
        self._last: Note | None = None
        self.started = False
        """Once all warm models were ready at the same time; never taken back."""
        self.draining = False

    def standing(self) -> Standing:
        """Look now."""
        note = self._read()
        alive = note is not None and note.alive
        said = note.models if note is not None and alive else {}
        weights = {
            name: _joined(on_disk, said.get(name))
            for name, on_disk in list(self._larder.weights.items())
        }
        cold = {name for name in self._warm if not _is_ready(said.get(name))}
        self.started = self.started or not cold
        return Standing(weights, frozenset(weights) - cold, self._switches(note), child=alive)

    def why_not_started(self) -> dict[str, Any] | None:
        """The first warm model that was never ready, and how far it is. None: all were."""
        standing = self.standing()
        return None if self.started else _tell(standing)

    def why_not_ready(self) -> dict[str, Any] | None:
        """Why a job that came now would wait or fail. None: it would not."""
        standing = self.standing()
        if self.draining:
            return {"detail": "The worker was told to stop."}
        if not standing.child:
            return {"detail": "The worker's child starts."}
        return None if set(standing.weights) == standing.ready else _tell(standing)

    def _read(self) -> Note | None:
        return child_status.read(self._folder)

    def _switches(self, note: Note | None) -> int:
        """Of all children together: each counts for itself."""
        with self._lock:
            if self._last and note and note.pid != self._last.pid:
                self._past_switches += self._last.switches
            self._last = note or self._last
            return self._past_switches + (self._last.switches if self._last else 0)


def _is_ready(said: Weights | None) -> bool:
    return said is not None and said.state in _IN_MEMORY_OR_LEFT


def _joined(on_disk: Weights, said: Weights | None) -> Weights:
    """The child knows best what it is at; else the volume speaks."""
    if said is None or said.state in (Stock.ON_DISK, Stock.ABSENT):
        return on_disk
    return said


def _tell(standing: Standing) -> dict[str, Any]:
    cold = [name for name in standing.weights if name not in standing.ready]
    model = cold[0]
    weights = standing.weights[model]
    told: dict[str, Any] = {"phase": _PHASES.get(weights.state, "starting"), "model": model}
    if weights.total_bytes:
        told["percent"] = round(100 * weights.done_bytes / weights.total_bytes, 1)
    if weights.bytes_per_second is not None:
        told["mb_per_s"] = round(weights.bytes_per_second / 1e6, 1)
    more = {"file": weights.file, "detail": weights.detail}
    return told | {name: value for name, value in more.items() if value is not None}
