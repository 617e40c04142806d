"""Remove build tools from the base image; add the user and its folders.

Runs as root in a separate stage: `python trim.py`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

UID = 10001
VENV = Path("/opt/kinomill")
VOLUMES = (Path("/var/lib/kinomill/objects"), Path("/weights"))
"""Mount points: a new named volume gets the owner of its mount point."""
PACKAGES = (
    "pip",
    "setuptools",
    "wheel",
    "pkg_resources",
    "_distutils_hack",
    "distutils-precedence",
)
STDLIB = ("ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtledemo")
UNUSED = (
    "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale",
    "usr/share/python-wheels",
    "usr/share/zoneinfo/right", "usr/share/zoneinfo/posix",
    "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/aarch64-linux-gnu/gconv",
)  # fmt: skip
"""Documentation, translations of messages, leap-second time zones, and glibc's character sets:
Python has its own. A slim base lacks some of them already."""
EMPTIED = ("var/log", "var/cache", "var/lib/apt/lists", "root", "tmp")
EPOCH = 1_577_836_800
"""2020-01-01: the same in every build."""


def main() -> None:
    """Create the environment, delete build tools, add user and folders, fix all times."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(VENV)], check=True)
    for path in _to_delete():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in EMPTIED:
        _empty(Path("/", name))
    _add_user()
    for folder in VOLUMES:
        folder.mkdir(parents=True)
        os.chown(folder, UID, UID)
    _set_times()


def _to_delete() -> set[Path]:
    """Build tools of the interpreter, its bytecode (valid for one source time only), docs."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    site_folders = (Path(sysconfig.get_path("purelib")), Path("/usr/lib/python3/dist-packages"))
    found = {stdlib / name for name in STDLIB} | {Path("/", name) for name in UNUSED}
    found |= {*stdlib.glob("config-*"), *stdlib.rglob("__pycache__"), *VENV.glob("bin/[Aa]ct*")}
    for name in PACKAGES:
        found |= {match for site in site_folders for match in site.glob(f"{name}*")}
    for folder in ("/usr/local/bin", "/usr/bin"):
        found |= {*Path(folder).glob("pip*")}
    return {path for path in found if path.exists() and not found & {*path.parents}}


def _empty(folder: Path) -> None:
    for entry in folder.iterdir() if folder.is_dir() else ():
        if os.path.ismount(entry):
            continue
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _add_user() -> None:
    """Add the user to /etc/passwd, so that looking up its id does not fail."""
    with Path("/etc/passwd").open("a") as passwd:
        passwd.write(f"kinomill:x:{UID}:{UID}::/tmp:/usr/sbin/nologin\n")
    with Path("/etc/group").open("a") as group:
        group.write(f"kinomill:x:{UID}:\n")


def _set_times() -> None:
    """Set one fixed time on all files, so that the same content gives the same layer."""
    for folder, folders, files in os.walk("/", topdown=True):
        here = Path(folder)
        folders[:] = [name for name in folders if not os.path.ismount(here / name)]
        for name in [*files, *folders]:
            if not os.path.ismount(here / name):
                os.utime(here / name, (EPOCH, EPOCH), follow_symlinks=False)


if __name__ == "__main__":
    main()
