"""Server processes that outlive the process that started them; later programs find them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cli.embedded.data_dir import open_private
from cli.embedded.errors import EmbeddedError
from cli.embedded.os_user import OsUser

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

LAUNCHER = """
"$@" 3>&1 >&2 &
started=$(cut -d ' ' -f 22 "/proc/$!/stat" 2>/dev/null || ps -o lstart= -p "$!")
echo "$! $started"
"""
"""Starts the server in the background, with the pid file open as descriptor 3, and writes it.

A shell does it, so that the file is written even if the starting process is killed meanwhile.
"""

SETTLE_SECONDS = 5.0
LOG_LIMIT_BYTES = 10_000_000
TAIL_LINES = 12
TAIL_BYTES = 8_000


class Daemon:
    """One server, identified by its pid file.

    The server holds a lock on that file from its start until its last child has ended: a free lock
    means that nothing runs, whatever the file contains. A pid gets a signal only if its process
    also has the start time in the file.
    """

    def __init__(self, name: str, *, pid_file: Path, log: Path) -> None:
        self.name = name
        self._pid_file = pid_file
        self._log = log
        self._log_start = 0

    def alive(self) -> bool:
        """Whether the server or one of its children runs."""
        try:
            descriptor = os.open(self._pid_file, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def pid(self) -> int | None:
        """The pid, if its process is the one that was launched."""
        words = self._pid_file.read_text().split(maxsplit=1)
        if len(words) != 2 or start_time(int(words[0])) != words[1].strip():
            return None
        return int(words[0])

    def find(self) -> int | None:
        """The pid of the running server; waits for a launch or an end that is in progress."""
        wait_until(lambda: not self.alive() or self.pid() is not None, seconds=SETTLE_SECONDS)
        if not self.alive():
            return None
        pid = self.pid()
        if pid is None:
            raise EmbeddedError(
                f"{self._pid_file} is locked, but not by the process that it names: "
                f"{self.name} is still ending, or it runs in another container. "
                "Try again, or stop it there."
            )
        return pid

    def launch(self, command: list[str], *, folder: Path, os_user: OsUser) -> None:
        """Start the server in its own session; call it only when none runs."""
        self._rotate_log()
        log = open_private(self._log, os.O_APPEND)
        pid_file = open_private(self._pid_file, os.O_TRUNC)
        with log, pid_file:
            fcntl.flock(pid_file, fcntl.LOCK_EX)  # waits only for a check of `alive`
            self._log_start = log.seek(0, os.SEEK_END)
            shell = ["/bin/sh", "-c", LAUNCHER, "sh", *command]
            os_user.run(shell, folder=folder, stdout=pid_file, stderr=log)

    def await_ready(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until `ready`. Raises `EmbeddedError` if the server ends or takes too long."""
        if not self._wait_ready(ready, seconds):
            raise EmbeddedError(f"{self.name} did not start.\n{self.log_tail()}")

    def serves(self, ready: Callable[[], bool], *, seconds: float) -> bool:
        """Whether a server runs and becomes `ready`; false if it is ending."""
        return self.find() is not None and self._wait_ready(ready, seconds)

    def end(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal in turn and wait its seconds, until the server has ended."""
        for sign, seconds in steps:
            if not self.alive():
                return
            self._send(sign)
            if wait_until(lambda: not self.alive(), seconds=seconds):
                return
        raise EmbeddedError(f"{self.name} does not end.\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The last lines of its log since the launch."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(max(self._log_start, self._log.stat().st_size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
            return "\n".join([f"The end of {self._log}:", *(f"  {line}" for line in lines)])
        return f"Its log {self._log} cannot be read."

    def _wait_ready(self, ready: Callable[[], bool], seconds: float) -> bool:
        if not wait_until(lambda: ready() or not self.alive(), seconds=seconds):
            raise EmbeddedError(
                f"{self.name} is not ready after {seconds:.0f} s and still starting: "
                f"start again to wait longer.\n{self.log_tail()}"
            )
        return self.alive()

    def _rotate_log(self) -> None:
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT_BYTES:
            self._log.replace(self._log.with_name(self._log.name + ".old"))

    def _send(self, sign: signal.Signals) -> None:
        pid = self.find()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, sign)


def start_time(pid: int) -> str:
    """Start time of a process in the kernel's format; empty if the process has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self").exists() else _ps(pid, "lstart")
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def command_line(pid: int) -> str:
    """The command line of a process; empty if there is none."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self").exists() else _ps(pid, "command")


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Wait for a condition; false after `seconds`."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def _ps(pid: int, column: str) -> str:
    done = OsUser.current().run(
        ["/bin/ps", "-o", f"{column}=", "-p", str(pid)], stderr=subprocess.DEVNULL
    )
    return done.stdout.decode().strip()
