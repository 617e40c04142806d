"""Copy our packages into site-packages: `copy_packages.py SOURCE /opt/kinomill`.

This runs after every change of a source file; building wheels would take four times as long. The
metadata and the console script come from another stage, which source files do not affect.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

NOT_CODE = shutil.ignore_patterns(
    "setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "*.egg-info"
)


def main() -> None:
    """Copy each package of the server that pyproject.toml names, and the client."""
    source, venv = Path(sys.argv[1]), Path(sys.argv[2])
    project = tomllib.loads((source / "pyproject.toml").read_text())
    (packages,) = venv.glob("lib/python*/site-packages")
    patterns = project["tool"]["setuptools"]["packages"]["find"]["include"]
    for name in (pattern.rstrip("*") for pattern in patterns):
        shutil.copytree(source / name, packages / name)
    shutil.copytree(source / "kinomill", packages / "kinomill", ignore=NOT_CODE)


if __name__ == "__main__":
    main()
