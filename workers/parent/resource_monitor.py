"""Reads free space and GPU memory for the heartbeat, in a thread of its own.

A network file system or a driver may hang: the heartbeat must not, so it reports the last reading.
"""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import structlog

from jobs.fleet.worker_resources import GpuUsage, VolumeUsage, WorkerResources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from workers.parent.metrics.gpus import Gpus

log = structlog.get_logger()

PERIOD_SECONDS = 5.0


class ResourceMonitor:
    """The last reading of one worker's volumes and GPUs."""

    def __init__(self, volumes: Mapping[str, Path], gpus: Gpus) -> None:
        """`volumes` are folders by name; their parents count for those that do not exist yet."""
        self._volumes = volumes
        self._gpus = gpus
        self._unreadable: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resources", daemon=True)
        self.latest = WorkerResources()

    def start(self) -> None:
        """Start to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, without waiting for a reading that hangs."""
        self._stopping.set()

    def read(self) -> WorkerResources:
        """Read everything now."""
        gpus = {
            gpu.name: GpuUsage(used_bytes=gpu.used_bytes, size_bytes=gpu.size_bytes)
            for gpu in self._gpus.read()
        }
        return WorkerResources(volumes=dict(self._usages()), gpus=gpus)

    def _usages(self) -> Iterator[tuple[str, VolumeUsage]]:
        for name, folder in self._volumes.items():
            try:
                usage = _usage(folder)
            except OSError as error:
                if name not in self._unreadable:
                    log.warning("free space cannot be read", volume=name, error=str(error))
                self._unreadable.add(name)
            else:
                self._unreadable.discard(name)
                yield name, usage

    def _run(self) -> None:
        while True:
            self.latest = self.read()
            if self._stopping.wait(PERIOD_SECONDS):
                return


def _usage(folder: Path) -> VolumeUsage:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    usage = shutil.disk_usage(existing)
    return VolumeUsage(free_bytes=usage.free, size_bytes=usage.total)
