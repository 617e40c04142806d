"""The operating-system user that a server runs as: our own, or an unprivileged one for root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import IO, NamedTuple

from cli.embedded.errors import EmbeddedError

DEDICATED = "kinomill"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""The whole environment of a server: it does not inherit a stray PGPORT or LANG."""


class OsUser(NamedTuple):
    """A user and group of this machine."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> OsUser:
        """The user of this process."""
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def owner_of(cls, path: Path) -> OsUser:
        """The user that owns a file."""
        status = path.stat()
        return cls(status.st_uid, status.st_gid)

    @classmethod
    def named(cls, name: str) -> OsUser:
        """The user of this name. Raises `KeyError` if there is none."""
        entry = pwd.getpwnam(name)
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def foreign(self) -> bool:
        """Whether a process must change its user id to run as this user."""
        return self.uid != os.geteuid()

    def run(
        self,
        command: list[str],
        *,
        folder: Path = Path("/"),
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.STDOUT,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command as this user, in its own session and with an empty stdin."""
        try:
            return subprocess.run(
                command,
                cwd=folder,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                umask=0o077,
                user=self.uid if self.foreign else None,
                group=self.gid if self.foreign else None,
                extra_groups=[] if self.foreign else None,
                check=False,
            )
        except OSError as error:
            if not self.foreign:
                raise
            raise EmbeddedError(
                f"{command[0]} cannot be run as user {self.uid}: {error.strerror}. "
                "Run kinomill as an ordinary user instead of root."
            ) from error

    def can(self, test: str, path: Path) -> bool:
        """Whether `test` (-r, -x) on a path succeeds as this user; includes parents and ACLs."""
        if not self.foreign:
            return True
        return self.run(["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)]).returncode == 0


def unprivileged(name: str | None) -> OsUser:
    """The user of that name; without a name the user `kinomill`, which is created, or `nobody`."""
    try:
        return OsUser.named(name) if name else _dedicated()
    except KeyError as error:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and there is no user {name or 'nobody'} to run it. "
            "Create one, or run kinomill as an ordinary user."
        ) from error


def _dedicated() -> OsUser:
    try:
        return OsUser.named(DEDICATED)
    except KeyError:
        _create_dedicated()
    try:
        return OsUser.named(DEDICATED)
    except KeyError:
        return OsUser.named("nobody")


def _create_dedicated() -> None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    OsUser.current().run([useradd, *options, "--shell", "/bin/false", DEDICATED])
