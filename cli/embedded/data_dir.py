"""Where the embedded servers keep their state.

<home>/valkey/        data, settings and address of the queue, its owner's only
<home>/valkey.log     what it said        <home>/valkey.pid     who it is
<home>/postgres/      data and socket of the database, its account's only
<home>/postgres.log   what it said        <home>/postgres.pid   who it is
<home>/postgres.path  where postgres/ lies instead, if its account cannot reach the home

Two files more, `*.lock`, let one program at a time start or stop a server.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINE = Path("/var/lib/kinomill")
"""What root keeps for the whole machine; every account may walk through it."""


def default_home(name: str = "default", *, xdg_data_home: Path | None = None) -> Path:
    """Return the home of this user: below `MACHINE` for root, else in the user's data folder."""
    if os.geteuid() == 0:
        return MACHINE / name
    return (xdg_data_home or Path.home() / ".local" / "share") / "kinomill" / name


def create(folder: Path) -> None:
    """Make a folder and its missing parents; those that exist keep their modes.

    What root makes may be walked through, since its database runs under another account.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(mode)


def open_private(path: Path, flags: int) -> IO[bytes]:
    """Open a file for writing that nobody else can read, or lock."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600), "wb")


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    with open_private(draft, os.O_TRUNC) as file:
        file.write(text.encode())
    draft.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock among all programs; it ends with its holder, however that ends."""
    with open_private(path, 0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
