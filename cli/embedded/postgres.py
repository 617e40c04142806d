"""The embedded database: a PostgreSQL 18 that listens on a private socket only."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg

from cli.embedded.cluster import SUPERUSER, Cluster, find_cluster
from cli.embedded.data_dir import MACHINE, create, locked
from cli.embedded.errors import EmbeddedError, explained
from cli.embedded.processes import Daemon
from cli.embedded.wheels import programs

if TYPE_CHECKING:
    from collections.abc import Mapping

DATABASE = "kinomill"
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "fsync": "on",
    "synchronous_commit": "on",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Shared memory is in the data folder: /dev/shm has 64 MB in a container; a log-out clears it."""

START_SECONDS = 120.0


class Postgres:
    """A database in a home; any program may start, find and stop it.

    Everybody who can open its socket folder (mode 0700) is its superuser. Root's database runs as
    an unprivileged user: `os_user`, or `kinomill`, which is created, or `nobody`. `machine` is for
    files that this user could not reach in root's folders; `site` is the folder of the wheel;
    `settings` replace some of `SETTINGS`.
    """

    def __init__(
        self,
        home: Path,
        *,
        os_user: str | None = None,
        machine: Path = MACHINE,
        site: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = {**SETTINGS, **(settings or {})}
        self.home = home.resolve()
        self._os_user = os_user
        self._machine = machine
        self._site = site
        self._daemon = Daemon(
            "PostgreSQL", pid_file=self.home / "postgres.pid", log=self.home / "postgres.log"
        )

    def start(self) -> str:
        """Start it unless it runs; returns the SQLAlchemy URL of its database."""
        with explained(self.home):
            create(self.home)
            with locked(self.home / "postgres.lock"):
                cluster = self._cluster()
                ready = partial(_answers, cluster)
                if not self._daemon.serves(ready, seconds=START_SECONDS):
                    self._launch(cluster)
                    self._daemon.await_ready(ready, seconds=START_SECONDS)
                _create_database(cluster)
        query = f"host={quote(str(cluster.sockets))}&port={SETTINGS['port']}"
        return f"postgresql+psycopg://{SUPERUSER}@/{DATABASE}?{query}"

    def stop(self) -> None:
        """Disconnect its clients, checkpoint and stop it; does nothing if it does not run."""
        with explained(self.home):
            if not self.running():
                return
            with locked(self.home / "postgres.lock"):
                self._daemon.end((signal.SIGINT, 30), (signal.SIGQUIT, 5), (signal.SIGKILL, 5))
                self._cluster().remove_sockets()

    def running(self) -> bool:
        """Whether its process runs."""
        with explained(self.home):
            return self._daemon.alive()

    def _cluster(self) -> Cluster:
        return find_cluster(self.home, machine=self._machine, os_user=self._os_user)

    def _launch(self, cluster: Cluster) -> None:
        folder = programs(cluster.os_user, machine=self._machine, site=self._site)
        cluster.prepare(folder)
        settings = self._settings | {"unix_socket_directories": str(cluster.sockets)}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        command = [str(folder / "postgres"), "-D", str(cluster.data), *options]
        self._daemon.launch(command, folder=Path("/"), os_user=cluster.os_user)


def _connect(cluster: Cluster) -> psycopg.Connection:
    return psycopg.connect(
        host=str(cluster.sockets),
        port=SETTINGS["port"],
        user=SUPERUSER,
        dbname="postgres",
        connect_timeout=5,
        autocommit=True,
    )


def _answers(cluster: Cluster) -> bool:
    try:
        _connect(cluster).close()
    except psycopg.OperationalError:
        return False
    return True


def _create_database(cluster: Cluster) -> None:
    try:
        with _connect(cluster) as connection:
            names = connection.execute("SELECT datname FROM pg_database").fetchall()
            if (DATABASE,) not in names:
                connection.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg.Error as error:
        raise EmbeddedError(f"PostgreSQL runs, but cannot create a database: {error}") from error
