"""Server processes that outlive their starter and are found again by any later program."""

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
from cli.embedded.os_user import Account

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

LAUNCHER = """
"$@" 3>&1 >&2 &
started=$(cut -d ' ' -f 22 "/proc/$!/stat" 2>/dev/null || ps -o lstart= -p "$!")
echo "$! $started"
"""
"""Leaves the server to init, with the pid file open as its descriptor 3, and fills that file.

A shell does it, so that it is done even if the starter is killed meanwhile.
"""

SETTLE_SECONDS = 5.0
LOG_LIMIT_BYTES = 10_000_000
TAIL_LINES = 12
TAIL_BYTES = 8_000


class Daemon:
    """One server, known by its pid file.

    The server holds a lock on that file from its first instant until its last child has ended.
    A free lock thus means that nothing runs, whatever the file says; and a pid is signalled only
    if the process behind it also began when the file says.
    """

    def __init__(self, name: str, *, pid_file: Path, log: Path) -> None:
        self.name = name
        self._pid_file = pid_file
        self._log = log
        self._log_start = 0

    def alive(self) -> bool:
        """Whether the server, or a child of it, still runs."""
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
        """Return the pid, if the process behind it is the one that was launched."""
        words = self._pid_file.read_text().split(maxsplit=1)
        if len(words) != 2 or started(int(words[0])) != words[1].strip():
            return None
        return int(words[0])

    def find(self) -> int | None:
        """Return the pid of the running server, once a launch or an end under way is over."""
        wait_until(lambda: not self.alive() or self.pid() is not None, seconds=SETTLE_SECONDS)
        if not self.alive():
            return None
        pid = self.pid()
        if pid is None:
            raise EmbeddedError(
                f"{self._pid_file} is locked, but not by the process that it names: the last "
                f"children of {self.name} still end, or it belongs to another container. "
                "Try again, or stop it there."
            )
        return pid

    def launch(self, command: list[str], *, folder: Path, account: Account) -> None:
        """Start the server in a session of its own; call it only where none runs."""
        self._put_away_long_log()
        log = open_private(self._log, os.O_APPEND)
        pid_file = open_private(self._pid_file, os.O_TRUNC)
        with log, pid_file:
            fcntl.flock(pid_file, fcntl.LOCK_EX)  # waits only for a look of `alive`
            self._log_start = log.seek(0, os.SEEK_END)
            shell = ["/bin/sh", "-c", LAUNCHER, "sh", *command]
            account.run(shell, folder=folder, stdout=pid_file, stderr=log)

    def await_ready(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until `ready`; a server that ends instead, or takes too long, is an error."""
        if not self._becomes(ready, seconds):
            raise EmbeddedError(f"{self.name} did not start.\n{self.log_tail()}")

    def serves(self, ready: Callable[[], bool], *, seconds: float) -> bool:
        """Whether a server is there and gets `ready`; false if it is just ending."""
        return self.find() is not None and self._becomes(ready, seconds)

    def end(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal in turn, with the seconds to wait after it, until the server ends."""
        for sign, seconds in steps:
            if not self.alive():
                return
            self._send(sign)
            if wait_until(lambda: not self.alive(), seconds=seconds):
                return
        raise EmbeddedError(f"{self.name} does not end.\n{self.log_tail()}")

    def log_tail(self) -> str:
        """Return the last lines that the server wrote since its launch."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(max(self._log_start, self._log.stat().st_size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
            return "\n".join([f"The end of {self._log}:", *(f"  {line}" for line in lines)])
        return f"Its log {self._log} cannot be read."

    def _becomes(self, ready: Callable[[], bool], seconds: float) -> bool:
        if not wait_until(lambda: ready() or not self.alive(), seconds=seconds):
            raise EmbeddedError(
                f"{self.name} is not ready after {seconds:.0f} s and still at work: "
                f"start again to wait longer.\n{self.log_tail()}"
            )
        return self.alive()

    def _put_away_long_log(self) -> None:
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT_BYTES:
            self._log.replace(self._log.with_name(self._log.name + ".old"))

    def _send(self, sign: signal.Signals) -> None:
        pid = self.find()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, sign)


def started(pid: int) -> str:
    """Return when a process began, in the kernel's own words, or nothing if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self").exists() else _ps(pid, "lstart")
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def command_line(pid: int) -> str:
    """Return the words that a process was called with, or nothing if there is none."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self").exists() else _ps(pid, "command")


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Wait for a condition; false if the time is up first."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def _ps(pid: int, column: str) -> str:
    done = Account.ours().run(
        ["/bin/ps", "-o", f"{column}=", "-p", str(pid)], stderr=subprocess.DEVNULL
    )
    return done.stdout.decode().strip()
