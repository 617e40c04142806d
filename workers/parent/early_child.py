"""Starts the first child before the parent's own imports, so that both import at the same time.

Celery spawns its child once the parent is set up, a second or two after its start; only then would
the child begin to import the libraries of its models, which takes seconds. Celery's pool gets the
process that was started early instead of a new one. Later children are spawned as always.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Self

from workers.shared import handover
from workers.shared.handover import Handover

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Spawn = Callable[[str, Sequence[str], Sequence[int]], int]

MODULE = "workers.child.early_start"


class EarlyChild:
    """A process that imports, and then waits until it is used; it ends if it is not."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self._channel: socket.socket | None = channel

    @classmethod
    def start(cls) -> Self:
        """Start the process."""
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-P", "-m", MODULE, str(number)]
            return cls(subprocess.Popen(command, pass_fds=[number]), ours)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def use_for_first_spawn(self) -> None:
        """Let billiard's next spawn use this process."""
        from billiard import popen_spawn_posix

        spawn: Spawn = popen_spawn_posix.spawnv_passfds
        from workers.settings import environment

        def spawn_or_use(path: str, arguments: Sequence[str], descriptors: Sequence[int]) -> int:
            popen_spawn_posix.spawnv_passfds = spawn
            used = self.hand_over(Handover(arguments, environment(), descriptors))
            return self.pid if used else spawn(path, arguments, descriptors)

        popen_spawn_posix.spawnv_passfds = spawn_or_use

    def hand_over(self, message: Handover) -> bool:
        """Make the process a child of the pool. False: it cannot be used, and has been ended."""
        channel, self._channel = self._channel, None
        if channel is None:
            return False
        try:
            if self._process.poll() is None and handover.possible(message.descriptors):
                handover.send(channel, message)
                self._process.returncode = 0  # the pool waits for it from now on
                return True
        except OSError:  # it ended at this moment
            pass
        channel.close()
        self._process.kill()
        self._process.wait()
        return False

    def discard(self) -> None:
        """End the process if it has not been used."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
            self._process.kill()
            self._process.wait()
