"""Watches the workers of a host's GPUs: restarts one that fails, drains all, ends with the last."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from workers.gpus.gpu_worker import GpuWorker

log = structlog.get_logger()

POLL_SECONDS = 0.25
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


@dataclass
class GpuHost:
    """All workers of a host, from their start to the end of the last."""

    workers: Sequence[GpuWorker]
    heartbeat_file: Path | None = None
    """Gets the age of the oldest heartbeat file of the workers that run."""
    _signals: SimpleQueue[int] = field(default_factory=SimpleQueue, init=False)
    _stopped_by: int | None = field(default=None, init=False)
    """The last signal that was passed on."""
    _failure: int = field(default=0, init=False)
    _was_ready: bool = field(default=False, init=False)

    def run(self) -> int:
        """Run until all workers have ended. Returns the status of the failure that ended it, or 0.

        A worker that a signal of ours ended before it could drain has done what was asked.
        """
        for number in FORWARDED:
            signal.signal(number, lambda received, _: self._signals.put(received))
        for worker in self.workers:
            self._start(worker)
        while not all(worker.finished for worker in self.workers):
            self._forward_signal()
            for worker in self.workers:
                self._watch(worker)
            self._touch()
        return exit_status(self._failure)

    def _start(self, worker: GpuWorker) -> None:
        pid = worker.start()
        log.info("worker started", gpu=worker.device, pid=pid)

    def _forward_signal(self) -> None:
        """Wait a moment for a signal, and pass it on: each worker drains for itself."""
        with suppress(Empty):
            self._stop(self._signals.get(timeout=POLL_SECONDS))

    def _stop(self, number: int) -> None:
        self._stopped_by = number
        for worker in self.workers:
            worker.give_up()
            worker.send(number)

    def _watch(self, worker: GpuWorker) -> None:
        self._was_ready = self._was_ready or worker.alive_file.exists()
        if worker.ended():
            log.info("worker ended", gpu=worker.device, status=worker.status)
            if worker.status and self._stopped_by is None:
                self._recover(worker)
            elif worker.status and worker.status != -(self._stopped_by or 0):
                self._failure = self._failure or worker.status
        elif worker.restart_due:
            self._start(worker)

    def _recover(self, worker: GpuWorker) -> None:
        """Start a worker again. If none was ever ready, the cause is common: end all of them."""
        if self._was_ready:
            pause = worker.restart_later()
            log.error("worker failed, starting it again", gpu=worker.device, retry_seconds=pause)
        else:
            log.error("worker failed before any was ready, ending all", gpu=worker.device)
            self._failure = worker.status
            self._stop(signal.SIGTERM)

    def _touch(self) -> None:
        if self.heartbeat_file is None:
            return
        files = [worker.alive_file for worker in self.workers if worker.running]
        with suppress(FileNotFoundError):  # one that has just been started has none yet
            oldest = min(file.stat().st_mtime for file in files) if files else None
            if oldest is not None:
                self.heartbeat_file.touch()
                os.utime(self.heartbeat_file, (oldest, oldest))


def exit_status(status: int) -> int:
    """The exit status of a process as a shell shows it: 128 and the signal that killed it."""
    return 128 - status if status < 0 else status
