"""Put our packages beside the libraries, with bytecode: `place.py SOURCE /opt/kinomill`.

A wheel would say the same in four times the time, and this runs after each change of a line. Its
metadata and the command come from a stage of their own, which a changed line does not touch.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path


def main() -> None:
    """Copy each package that pyproject.toml names."""
    source, venv = Path(sys.argv[1]), Path(sys.argv[2])
    project = tomllib.loads((source / "pyproject.toml").read_text())
    (packages,) = venv.glob("lib/python*/site-packages")
    for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]:
        name = pattern.rstrip("*")
        shutil.copytree(source / name, packages / name)


if __name__ == "__main__":
    main()
