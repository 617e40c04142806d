"""What a worker answers at `/metrics` of its health port: figures of the parent and its child."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.fleet.worker_registry import all_failed
from runtime.metrics import worker as metrics
from runtime.metrics.exposition import Figures, render
from runtime.metrics.volumes import add_volumes
from runtime.version import VERSION
from workers.parent.metrics.dropped import dropped_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from workers.parent.heartbeat import RunningTask
    from workers.parent.metrics.gpus import Gpus
    from workers.parent.readiness import Readiness
    from workers.shared.figures import ProcessFigures

_STATES = ("preparing", "ready", "failed", "draining", "drained")


@dataclass
class WorkerMetrics:
    """Reads the figures of one worker."""

    name: str
    readiness: Readiness
    running_tasks: Callable[[], Iterable[RunningTask]]
    drained: Callable[[], bool]
    """Whether an operator lets the worker take no job."""
    volumes: Mapping[str, Path]
    """Folders whose file systems are shown, by the name of their label."""
    gpus: Gpus

    def render(self, accept: str) -> tuple[bytes, str]:
        """The answer to a scrape with this Accept header, and its content type."""
        return render(self.figures(), accept)

    def figures(self) -> Figures:
        """The figures of this moment."""
        figures = Figures()
        gpus = self.gpus
        figures.add(metrics.WORKER_INFO, 1, self.name, VERSION, gpus.products, gpus.driver)
        for state in _STATES:
            figures.add(metrics.WORKER_STATE, state == self._state(), state)
        figures.add(metrics.WORKER_BUSY, any(True for _ in self.running_tasks()))
        figures.add(metrics.EVICTIONS, self.readiness.snapshot().evictions)
        figures.add(metrics.DROPPED_MESSAGES, dropped_messages())
        _add_measured(figures, self.readiness.figures())
        self._add_gpus(figures)
        add_volumes(figures, self.volumes)
        return figures

    def _state(self) -> str:
        if self.readiness.draining:
            return "draining"
        if self.drained():
            return "drained"
        if all_failed(self.readiness.snapshot().weights):
            return "failed"
        return "ready" if self.readiness.not_ready_reason() is None else "preparing"

    def _add_gpus(self, figures: Figures) -> None:
        for gpu in self.gpus.read():
            figures.add(metrics.GPU_MEMORY_USED, gpu.used_bytes, gpu.name)
            figures.add(metrics.GPU_MEMORY_SIZE, gpu.size_bytes, gpu.name)
            if gpu.utilization is not None:
                figures.add(metrics.GPU_UTILIZATION, gpu.utilization, gpu.name)


def _add_measured(figures: Figures, measured: ProcessFigures) -> None:
    for model, size_bytes in sorted(measured.weights_bytes.items()):
        figures.add(metrics.WEIGHTS_BYTES, size_bytes, model)
    for model, seconds in sorted(measured.pull_seconds.items()):
        counts = [0] * len(metrics.WEIGHTS_SECONDS.bounds)
        for each in seconds:
            counts[bisect_left(metrics.WEIGHTS_SECONDS.buckets, each)] += 1
        figures.add_histogram(metrics.WEIGHTS_SECONDS, counts, sum(seconds), model)
    for phase, models in sorted(measured.cold_start.items()):
        for model, took in sorted(models.items()):
            figures.add(metrics.COLD_START, took, phase, model)
    for model, size_bytes in sorted(measured.gpu_peak_bytes.items()):
        figures.add(metrics.GPU_MEMORY_PEAK, size_bytes, model)
