"""The account that a server runs under: our own, or for root an unprivileged one."""

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
"""All that a server sees of our environment: a stray PGPORT or LANG must not reach it."""


class Account(NamedTuple):
    """A user and group of this machine."""

    uid: int
    gid: int

    @classmethod
    def ours(cls) -> Account:
        """Return the account of this program."""
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def owner(cls, path: Path) -> Account:
        """Return the account that owns a file."""
        status = path.stat()
        return cls(status.st_uid, status.st_gid)

    @classmethod
    def named(cls, name: str) -> Account:
        """Return an account by its name; raises `KeyError` if there is none."""
        entry = pwd.getpwnam(name)
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def foreign(self) -> bool:
        """Whether a program must change its identity to run as this account."""
        return self.uid != os.geteuid()

    def run(
        self,
        command: list[str],
        *,
        folder: Path = Path("/"),
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.STDOUT,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command as this account, in a session of its own and with nothing to read."""
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
        """Whether this account passes `test` (-r, -x) on a path, parents and access lists too."""
        if not self.foreign:
            return True
        return self.run(["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)]).returncode == 0


def unprivileged(name: str | None) -> Account:
    """Return the account of that name or, without one, the dedicated account or `nobody`."""
    try:
        return Account.named(name) if name else _dedicated()
    except KeyError as error:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and there is no user {name or 'nobody'} to run it. "
            "Create one, or run kinomill as an ordinary user."
        ) from error


def _dedicated() -> Account:
    try:
        return Account.named(DEDICATED)
    except KeyError:
        _create_dedicated()
    try:
        return Account.named(DEDICATED)
    except KeyError:
        return Account.named("nobody")


def _create_dedicated() -> None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    Account.ours().run([useradd, *options, "--shell", "/bin/false", DEDICATED])
