"""Write the requirements of both distributions with some extras, for pip.

`python wanted.py OUT EXTRA...` reads pyproject.toml, kinomill/pyproject.toml and constraints.txt.
It writes OUT/requirements.txt, OUT/constraints.txt and, for the stage that installs torch alone,
OUT/torch-constraints.txt. Torch itself is left out of all three: its version and index are build
arguments.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

TORCH_NEEDS = {
    "filelock", "fsspec", "jinja2", "markupsafe", "mpmath", "networkx", "numpy", "setuptools",
    "sympy", "typing-extensions",
}  # fmt: skip
NAME = re.compile(r"[A-Za-z0-9._-]+")
OWN_EXTRAS = re.compile(r"kinomill-server\[(.+)\]")
NOT_FROM_AN_INDEX = {"kinomill", "kinomill-server", "torch"}
"""Not from an index: our own are in the build context, and torch has a stage of its own."""


def main() -> None:
    """Write the three files."""
    out = Path(sys.argv[1])
    out.mkdir()
    server, client = (_project(path) for path in ("pyproject.toml", "kinomill/pyproject.toml"))
    wanted = requirements(server, sys.argv[2:]) + requirements(client, [])
    _write(out / "requirements.txt", sorted(set(wanted)))
    pins = [line for line in Path("constraints.txt").read_text().split() if _name(line) != "torch"]
    _write(out / "constraints.txt", pins)
    _write(out / "torch-constraints.txt", [pin for pin in pins if _name(pin) in TORCH_NEEDS])


def requirements(project: dict[str, Any], extras: list[str]) -> list[str]:
    """The dependencies of a project and of these extras, including the extras that they name."""
    found = list(project["dependencies"])
    todo = list(extras)
    while todo:
        for requirement in project["optional-dependencies"][todo.pop()]:
            own = OWN_EXTRAS.fullmatch(requirement)
            todo.extend(own[1].split(",")) if own else found.append(requirement)
    return [line for line in found if _name(line) not in NOT_FROM_AN_INDEX]


def _project(path: str) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(Path(path).read_text())["project"]
    return project


def _name(requirement: str) -> str:
    match = NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
