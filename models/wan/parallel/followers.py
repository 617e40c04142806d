"""All followers of one leader, and the process group that connects them with it."""

from __future__ import annotations

from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final

from models.wan.parallel.follower_process import FollowerProcess
from models.wan.parallel.process_group import ProcessGroup
from runtime.temporary_folder import TemporaryFolder

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from models.wan.variants import Variant

PREFIX: Final = "kinomill-gpu-group-"


class Followers:
    """Starts a follower for each GPU but the first, and ends them."""

    def __init__(self, weights: Path, variant: Variant, size: int, device: torch.device) -> None:
        self._weights, self._variant = weights, variant
        self._size, self._device = size, device
        self._processes: list[FollowerProcess] = []
        self._group: ProcessGroup | None = None
        self._folder: TemporaryFolder | None = None

    def start(self) -> None:
        """Start all of them. They load the experts while this process does."""
        self._folder = TemporaryFolder(PREFIX)
        self._meeting = self._folder.path / "meeting"
        arguments = (
            *(self._size, self._device.type, self._meeting),
            *(self._weights, self._variant.name),
        )
        for rank in range(1, self._size):
            self._processes.append(FollowerProcess.start(rank, arguments))

    def await_loaded(self) -> int | None:
        """Wait until they have loaded; returns the memory of the smallest of their GPUs.

        Raises `ProcessLost`.
        """
        sizes = [process.answer().gpu_bytes for process in self._processes]
        return min((size for size in sizes if size is not None), default=None)

    def group(self) -> ProcessGroup:
        """The group with all of them, who have loaded; connects it first."""
        if self._group is None:
            self._group = ProcessGroup.join(
                self._meeting, rank=0, size=self._size, device=self._device
            )
        return self._group

    @property
    def usable(self) -> bool:
        """Whether all run, and are not of a group that this process has left."""
        running = all(process.running for process in self._processes)
        return bool(self._processes) and running and (self._group is None or self._group.current)

    def send(self, message: Any) -> None:
        """Send a message to all. Raises `ProcessLost`, or `OutOfMemoryError`."""
        for process in self._processes:
            process.send(message)

    def await_ready(self) -> None:
        """Wait for the answer of each. Raises `ProcessLost`, or `OutOfMemoryError`."""
        for process in self._processes:
            process.answer()

    def loss(self, seconds: float) -> Exception | None:
        """Why one of them has ended or ends within this time; None if none does."""
        wait([process.connection for process in self._processes], seconds)
        losses = (process.loss() for process in self._processes)
        return next((loss for loss in losses if loss is not None), None)

    def end(self) -> None:
        """End all of them, and leave the group."""
        for process in self._processes:
            process.end()
        self._processes.clear()
        if self._group is not None:
            self._group.leave()
        if self._folder is not None:
            self._folder.remove()
        self._group = self._folder = None
