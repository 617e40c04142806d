"""The programs of Kinomill as child processes: start, watch, restart, stop."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cli.python import SAFE_PATH, module_command
from kinomill.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PR_SET_PDEATHSIG = 1
TAIL_LINES = 15
_LIBC = ctypes.CDLL(None)


class ProgramEnded(CommandError):
    """A program ends right after its start; the end of its log says why."""


@dataclass
class Program:
    """One `kinomill …` command in a child process, which the kernel kills when this one ends."""

    name: str
    arguments: list[str]
    log: Path
    env: Mapping[str, str]
    grace_seconds: float = 10.0
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _started: float = 0.0

    def start(self) -> None:
        """Start it in its own session: Ctrl-C in the terminal reaches only the parent."""
        self._started = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                module_command("cli.main", *self.arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self.env, **SAFE_PATH},
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def restart_if_exited(self) -> bool:
        """Restart it if it has ended. Raises `ProgramEnded` if it keeps ending at once."""
        if self.running:
            return False
        if time.monotonic() - self._started < 2 and self.restarts > 2:
            raise ProgramEnded(f"{self.name} ends as soon as it starts.\n{self.log_tail()}")
        self.restarts += 1
        self.start()
        return True

    def ask_to_stop(self) -> None:
        """Send SIGTERM; `await_end` makes sure that it ends."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGTERM)

    def await_end(self) -> None:
        """Wait for its end, at most its grace period; then kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(self.grace_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log_tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join([f"The end of {self.log}:", *(f"  {line}" for line in lines)])


def _die_with_parent() -> None:
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
