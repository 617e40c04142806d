"""Processes of a contestant: start, wait until they are ready, suspend, stop."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from bench.process_tree import process_tree, resident_mb, tree_cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

READY_SECONDS = 90
STOP_SECONDS = 30


@dataclass(frozen=True)
class Program:
    """A running process with its descendants."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls, command: Sequence[str], *, folder: Path, env: Mapping[str, str], log: Path
    ) -> Program:
        """Start a command in a session of its own."""
        with log.open("ab") as file:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        return cls(process, log)

    def cpu_seconds(self) -> float:
        return tree_cpu_seconds(self.process.pid)

    def resident_mb(self) -> float:
        return resident_mb(process_tree(self.process.pid))

    def await_ready(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready` returns True. Raises `RuntimeError` with the end of the log."""
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                end_of_log = self.log.read_text()[-2000:]
                raise RuntimeError(f"{self.process.args} is not ready: {end_of_log}")
            time.sleep(0.02)

    def suspend(self) -> None:
        """Stop the processes from running until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Ask the process to end; kill everything it started if it does not."""
        pids = process_tree(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        for pid in process_tree(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def answers(url: str) -> bool:
    """Whether a URL returns 200."""
    try:
        with urlopen(url, timeout=2) as response:
            return bool(response.status == HTTPStatus.OK)
    except (URLError, ConnectionError, TimeoutError):
        return False
