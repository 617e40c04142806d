"""The worker of one GPU, as a process of its own."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.backoff import doubling_pause

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 60.0
"""A worker that failed is started again after 1, 2, 4 … seconds, at most 60, without end."""
STEADY_SECONDS = 60.0
"""After a run of this length the pauses start over."""
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def worker_command(pattern: str) -> list[str]:
    """The command line of a worker whose name follows this pattern."""
    return [sys.executable, "-P", "-m", "workers", "--hostname", pattern]


@dataclass
class GpuWorker:
    """Starts the worker of a device, and starts it again when it has failed."""

    device: str
    command: Sequence[str]
    env: Mapping[str, str]
    alive_file: Path
    """Which the worker touches while it is alive, from the time it is ready."""
    status: int = 0
    """How its last process ended."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _started: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)
    _start_at: float | None = field(default=None, init=False)

    def start(self) -> int:
        """Start the process, and return its id.

        Its session is its own, so that Ctrl-C reaches it once, through us. It drains if we die.
        """
        self.alive_file.unlink(missing_ok=True)
        self._started, self._start_at = time.monotonic(), None
        self._process = subprocess.Popen(
            self.command,
            env=self.env,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_drain_without_parent,
        )
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its process runs, as far as `ended` has seen."""
        return self._process is not None

    @property
    def restart_due(self) -> bool:
        """Whether it is time to start it again."""
        return self._start_at is not None and time.monotonic() >= self._start_at

    @property
    def finished(self) -> bool:
        """Whether it has ended for good."""
        return self._process is None and self._start_at is None

    def ended(self) -> bool:
        """Whether the process has ended since the last call; `status` says how."""
        if self._process is None or self._process.poll() is None:
            return False
        self.status = self._process.returncode
        self._process = None
        return True

    def restart_later(self) -> float:
        """Start it again after a pause, whose seconds are returned."""
        steady = time.monotonic() - self._started >= STEADY_SECONDS
        self._failures = 1 if steady else self._failures + 1
        pause = doubling_pause(self._failures, first=FIRST_PAUSE_SECONDS, longest=MAX_PAUSE_SECONDS)
        self._start_at = time.monotonic() + pause
        return pause

    def give_up(self) -> None:
        """Do not start it again."""
        self._start_at = None

    def send(self, number: int) -> None:
        """Send a signal to its process, if there is one."""
        if self._process is not None:
            self._process.send_signal(number)


def _drain_without_parent() -> None:
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
