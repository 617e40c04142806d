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
PLACES = (Path("/var/lib/kinomill/objects"), Path("/weights"))
"""Mount points of volumes: a new named volume takes their owner."""
PACKAGES = (
    "pip",
    "setuptools",
    "wheel",
    "pkg_resources",
    "_distutils_hack",
    "distutils-precedence",
)
STDLIB = ("ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtledemo")
CLUTTER = (
    "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/python-wheels",
    "usr/share/zoneinfo/right", "usr/share/zoneinfo/posix",
    "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/aarch64-linux-gnu/gconv",
)  # fmt: skip
"""Papers, leap-second clocks, and glibc's character sets: Python brings its own."""
EMPTIED = ("var/log", "var/cache", "var/lib/apt/lists", "root", "tmp")
EPOCH = 1_577_836_800
"""2020-01-01: a time that does not change from build to build."""


def main() -> None:
    """Do it all; the interpreter stays."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(VENV)], check=True)
    for doomed in _doomed():
        shutil.rmtree(doomed) if doomed.is_dir() else doomed.unlink()
    for folder in EMPTIED:
        _empty(Path("/", folder))
    _account()
    for place in PLACES:
        place.mkdir(parents=True)
        os.chown(place, UID, UID)
    _age()


def _doomed() -> set[Path]:
    """Build tools of the interpreter, its bytecode (of the kind that looks at times), papers."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    homes = (Path(sysconfig.get_path("purelib")), Path("/usr/lib/python3/dist-packages"))
    found = {stdlib / name for name in STDLIB} | {Path("/", name) for name in CLUTTER}
    found |= {*stdlib.glob("config-*"), *stdlib.rglob("__pycache__"), *VENV.glob("bin/[Aa]ct*")}
    for name in PACKAGES:
        found |= {match for home in homes for match in home.glob(f"{name}*")}
    for folder in ("/usr/local/bin", "/usr/bin"):
        found |= {*Path(folder).glob("pip*")}
    return {path for path in found if path.exists() and not found & {*path.parents}}


def _empty(folder: Path) -> None:
    for entry in folder.iterdir() if folder.is_dir() else ():
        if os.path.ismount(entry):
            continue
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _account() -> None:
    """Name the user id, so that looking it up does not fail."""
    with Path("/etc/passwd").open("a") as passwd:
        passwd.write(f"kinomill:x:{UID}:{UID}::/tmp:/usr/sbin/nologin\n")
    with Path("/etc/group").open("a") as group:
        group.write(f"kinomill:x:{UID}:\n")


def _age() -> None:
    """Give all files one fixed time, so that the same content creates the same layer."""
    for folder, folders, files in os.walk("/", topdown=True):
        here = Path(folder)
        folders[:] = [name for name in folders if not os.path.ismount(here / name)]
        for name in [*files, *folders]:
            if not os.path.ismount(here / name):
                os.utime(here / name, (EPOCH, EPOCH), follow_symlinks=False)


if __name__ == "__main__":
    main()
