"""Write requirements files for pip: both distributions with some extras.

`python requirements.py OUT EXTRA...` reads the hashed files of the folder requirements. It writes
OUT/requirements.txt with every package of the extras, OUT/build.txt with what builds our own, and
OUT/torch-constraints.txt for the stage that installs torch. Torch itself is in none of them: its
version and index are build arguments.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

TORCH_DEPENDENCIES = {
    "filelock", "fsspec", "jinja2", "markupsafe", "mpmath", "networkx", "numpy", "setuptools",
    "sympy", "typing-extensions",
}  # fmt: skip
NAME = re.compile(r"[A-Za-z0-9._-]+")
OWN_EXTRAS = re.compile(r"kinomill-server\[(.+)\]")
EXCLUDED = {"kinomill", "kinomill-server", "torch"}
"""Excluded: ours are in the build context, and torch is installed in a separate stage."""


def main() -> None:
    """Write the three files."""
    out = Path(sys.argv[1])
    out.mkdir()
    entries = {entry for extra in sys.argv[2:] for entry in hashed(extra)}
    _write(out / "requirements.txt", sorted(entries))
    _write(out / "build.txt", [entry for entry in entries if _name(entry) == "setuptools"])
    pins = Path("constraints.txt").read_text().split()
    _write(out / "torch-constraints.txt", [pin for pin in pins if _name(pin) in TORCH_DEPENDENCIES])


def hashed(extra: str) -> list[str]:
    """Each package of an extra, with its version, markers and digests."""
    text = Path("requirements", f"{extra}.txt").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def requirements(project: dict[str, Any], extras: list[str]) -> list[str]:
    """Requirements of a project with these extras, including extras that refer to other extras."""
    found = list(project["dependencies"])
    todo = list(extras)
    while todo:
        for requirement in project["optional-dependencies"][todo.pop()]:
            own = OWN_EXTRAS.fullmatch(requirement)
            todo.extend(own[1].split(",")) if own else found.append(requirement)
    return [line for line in found if _name(line) not in EXCLUDED]


def _name(requirement: str) -> str:
    match = NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
