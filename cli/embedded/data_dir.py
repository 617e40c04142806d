"""Where the embedded servers keep their state.

<home>/valkey/        data, settings and URL of the broker, readable by its owner only
<home>/valkey.log     its log             <home>/valkey.pid     its process
<home>/postgres/      data and socket of the database, readable by its user only
<home>/postgres.log   its log             <home>/postgres.pid   its process
<home>/postgres.path  the path of postgres/, if it is elsewhere because its user cannot enter home

Two more files, `*.lock`, allow one program at a time to start or stop a server.
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
"""Root's data for the whole machine; every user may traverse it."""


def default_home(name: str = "default", *, xdg_data_home: Path | None = None) -> Path:
    """The data folder of this user: below `MACHINE` for root, else in XDG_DATA_HOME."""
    if os.geteuid() == 0:
        return MACHINE / name
    return (xdg_data_home or Path.home() / ".local" / "share") / "kinomill" / name


def create(folder: Path) -> None:
    """Create a folder and its missing parents; existing ones keep their modes.

    Folders that root creates are traversable, because its database runs as another user.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(mode)


def open_private(path: Path, flags: int) -> IO[bytes]:
    """Open a file for writing that only its owner can read or lock."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600), "wb")


def write_private(path: Path, text: str) -> None:
    """Atomically replace a file that only its owner can read."""
    draft = path.with_name(path.name + ".new")
    with open_private(draft, os.O_TRUNC) as file:
        file.write(text.encode())
    draft.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock across processes; the kernel releases it when the holder ends."""
    with open_private(path, 0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
