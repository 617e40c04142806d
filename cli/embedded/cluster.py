"""The files of the embedded database: their location, owner and creation."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.data_dir import create, write_private
from cli.embedded.errors import EmbeddedError
from cli.embedded.os_user import OsUser, unprivileged
from cli.embedded.processes import TAIL_LINES, command_line

SUPERUSER = "kinomill"
SOCKET = ".s.PGSQL.5432"
PLAIN_PATH = re.compile(r"[\w./-]{1,85}", re.ASCII)
"""Fits a socket's 107 bytes, and neither PostgreSQL nor libpq takes it for a list or a name."""

INITDB = [
    f"--username={SUPERUSER}",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth=trust",
    "--no-instructions",
]
"""A locale built into PostgreSQL: no update of the machine can change how an index sorts."""


@dataclass(frozen=True)
class Cluster:
    """The data folder and the socket folder of one user."""

    folder: Path
    os_user: OsUser

    @property
    def data(self) -> Path:
        """The data folder; it exists once initdb has succeeded."""
        return self.folder / "data"

    @property
    def sockets(self) -> Path:
        """The folder of the socket, beside the data or, if that path is not plain, in /tmp."""
        beside = self.folder / "socket"
        if PLAIN_PATH.fullmatch(str(beside)):
            return beside
        return Path("/tmp") / f"kinomill-{self.os_user.uid}-{digest(self.folder)}"  # noqa: S108 - its owner and mode are checked

    def prepare(self, programs: Path) -> None:
        """Create what is missing and remove what a crash left."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._chown(self.folder)
        if not self.data.exists():
            self._create(programs)
        self._create_sockets()
        self._clear_stale()

    def remove_sockets(self) -> None:
        """Remove the socket folder; call it only when no server uses it."""
        self._clear_sockets()
        if self.sockets.exists():
            self.sockets.rmdir()

    def _create(self, programs: Path) -> None:
        for abandoned in self.folder.glob("draft-*"):
            shutil.rmtree(abandoned, ignore_errors=True)  # its initdb may still be running
        draft = self.folder / f"draft-{secrets.token_hex(4)}"
        done = self.os_user.run([str(programs / "initdb"), *INITDB, f"--pgdata={draft}"])
        if done.returncode:
            lines = done.stdout.decode(errors="replace").strip().splitlines()[-TAIL_LINES:]
            said = "\n".join(f"  {line}" for line in lines)
            raise EmbeddedError(f"PostgreSQL cannot create a database in {self.folder}:\n{said}")
        draft.rename(self.data)

    def _create_sockets(self) -> None:
        try:
            self.sockets.mkdir(mode=0o700)
            self._chown(self.sockets)
        except FileExistsError:
            status = self.sockets.lstat()
            private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700
            if not private or status.st_uid != self.os_user.uid:
                raise EmbeddedError(
                    f"{self.sockets} is not a private folder of user {self.os_user.uid}, "
                    "so the database will not listen there. Remove it and start again."
                ) from None

    def _chown(self, folder: Path) -> None:
        if self.os_user.foreign:
            os.chown(folder, self.os_user.uid, self.os_user.gid, follow_symlinks=False)

    def _clear_sockets(self) -> None:
        for path in self.sockets.glob(f"{SOCKET}*"):
            path.unlink()

    def _clear_stale(self) -> None:
        """Remove lock files of a server that has ended: another process may have its pid now."""
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        pid = lock.read_text().partition("\n")[0].lstrip("-")
        if not (pid.isdigit() and str(self.data) in command_line(int(pid))):
            lock.unlink()
            self._clear_sockets()


def find_cluster(home: Path, *, machine: Path, os_user: str | None) -> Cluster:
    """The cluster of a home: the existing one, or the one that would be created now."""
    inside, note = home / "postgres", home / "postgres.path"
    folder = Path(note.read_text()) if note.exists() else inside
    if (folder / "data").exists():
        return Cluster(folder, OsUser.owner_of(folder / "data"))
    chosen = unprivileged(os_user) if os.geteuid() == 0 else OsUser.current()
    if not chosen.can("-x", home):
        folder = machine / f"pgdata-{digest(home)}"
        create(machine)
        write_private(note, str(folder))
    return Cluster(folder, chosen)


def digest(path: Path) -> str:
    """A short name for a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
