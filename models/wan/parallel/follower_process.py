"""A follower as its leader sees it: a process, and the connection to it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from multiprocessing import Pipe
from typing import TYPE_CHECKING, Any, Final

import torch

from models.errors import ProcessLost
from models.wan.parallel.messages import Failed, Ready

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

_MODULE: Final = "models.wan.parallel.follower"
_GRACE_SECONDS: Final = 5.0
"""How long a follower may take to end."""


@dataclass(frozen=True)
class FollowerProcess:
    """The process of one further GPU. It ends when its connection is closed."""

    rank: int
    """Its number, which is also that of its GPU, from 1."""
    process: subprocess.Popen[bytes]
    connection: Connection

    @classmethod
    def start(cls, rank: int, arguments: Sequence[object]) -> FollowerProcess:
        """Start it with these arguments; it loads the experts, and then answers.

        By `subprocess`, as a child of Celery's pool may not use `multiprocessing`. Without the
        kernel's signal at a parent's death: it also comes when the thread that loads a model ends.
        """
        ours, theirs = Pipe()
        channel = theirs.fileno()
        command = [sys.executable, "-P", "-m", _MODULE, str(channel), str(rank)]
        with theirs:
            process = subprocess.Popen(
                [*command, *map(str, arguments)], stdin=subprocess.DEVNULL, pass_fds=[channel]
            )
        return cls(rank, process, ours)

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def send(self, message: Any) -> None:
        """Send a message. Raises as `answer`."""
        try:
            self.connection.send(message)
        except OSError as error:
            raise self.loss() or self._ended() from error

    def answer(self) -> Ready:
        """Wait for its answer. Raises `ProcessLost`, or `OutOfMemoryError` if its GPU is full."""
        try:
            message: Ready | Failed = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if isinstance(message, Ready):
            return message
        reason = f"GPU {self.rank} of this worker: {message.reason}"
        raise torch.OutOfMemoryError(reason) if message.out_of_memory else ProcessLost(reason)

    def loss(self) -> Exception | None:
        """Why it has ended; None if it has not."""
        try:
            if self.connection.poll():
                self.answer()
        except (ProcessLost, torch.OutOfMemoryError) as error:
            return error
        return None

    def end(self) -> None:
        """End the process, whatever it does."""
        self.connection.close()
        try:
            self.process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _ended(self) -> ProcessLost:
        try:
            how = f"ended with status {self.process.wait(_GRACE_SECONDS)}"
        except subprocess.TimeoutExpired:
            how = "does not answer"
        return ProcessLost(f"The process of GPU {self.rank} of this worker {how}.")
