"""Debian's PgBouncer in transaction mode, in front of an embedded PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sqlalchemy.engine import make_url

from cli.stack import free_port

if TYPE_CHECKING:
    from sqlalchemy import URL

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")  # noqa: TID251
"""None: it is not installed."""
START_SECONDS = 20.0

CONFIGURATION = """\
[databases]
* = host={sockets} port={server_port} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
admin_users = admin
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 5000
server_login_retry = 1
query_wait_timeout = 10
"""
"""As docs/operations.md shows it, but without passwords: the server's socket needs none."""


class PgBouncer:
    """One PgBouncer on a free port, which tests kill and start again. `url` is that of clients."""

    def __init__(self, database_url: str, folder: Path, *, pool_size: int = 10) -> None:
        self._server = make_url(database_url)
        self._folder = folder
        self._pool_size = pool_size
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir()
        self._configure()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """The URL of the same database through the pooler."""
        return self.url_of(self._server)

    def url_of(self, database_url: str | URL) -> str:
        """The URL of a database of the server, through the pooler."""
        name = make_url(database_url).database
        return f"postgresql+psycopg://{self._server.username}@127.0.0.1:{self.port}/{name}"

    @property
    def pid(self) -> int:
        """Of the process; CPU time is counted by it."""
        if self.process is None:
            raise RuntimeError("PgBouncer does not run")
        return self.process.pid

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        owner = self._sockets.stat()
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(PROGRAM), "-q", str(self._configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=owner.st_uid if os.geteuid() == 0 else None,
                group=owner.st_gid if os.geteuid() == 0 else None,
                extra_groups=[] if os.geteuid() == 0 else None,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._accepts():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PgBouncer does not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once: all its connections break."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    @property
    def _sockets(self) -> Path:
        return Path(str(self._server.query["host"]))

    @property
    def _configuration(self) -> Path:
        return self._folder / "pgbouncer.ini"

    @property
    def _log(self) -> Path:
        return self._folder / "pgbouncer.log"

    def _configure(self) -> None:
        text = CONFIGURATION.format(
            sockets=self._sockets,
            server_port=self._server.query["port"],
            user=self._server.username,
            port=self.port,
            pool_size=self._pool_size,
        )
        self._configuration.write_text(text)
        self._folder.chmod(0o755)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
