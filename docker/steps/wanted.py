"""Write what pip shall install for some extras, read from pyproject.toml and constraints.txt.

`python wanted.py OUT EXTRA...` writes OUT/requirements.txt, OUT/constraints.txt and, for the stage
that installs torch alone, OUT/torch-constraints.txt. Torch itself is left out of all three: its
version and index are build arguments.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

TORCH_NEEDS = {
    "filelock", "fsspec", "jinja2", "markupsafe", "mpmath", "networkx", "numpy", "setuptools",
    "sympy", "typing-extensions",
}  # fmt: skip
NAME = re.compile(r"[A-Za-z0-9._-]+")
OWN_EXTRAS = re.compile(r"kinomill\[(.+)\]")


def main() -> None:
    """Write the three files."""
    out = Path(sys.argv[1])
    out.mkdir()
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    _write(out / "requirements.txt", requirements(project, sys.argv[2:]))
    pins = [line for line in Path("constraints.txt").read_text().split() if _name(line) != "torch"]
    _write(out / "constraints.txt", pins)
    _write(out / "torch-constraints.txt", [pin for pin in pins if _name(pin) in TORCH_NEEDS])


def requirements(project: dict[str, dict[str, list[str]]], extras: list[str]) -> list[str]:
    """The project's dependencies with those of the extras, and of the extras that these name."""
    found = list(project["dependencies"])
    todo = list(extras)
    while todo:
        for requirement in project["optional-dependencies"][todo.pop()]:
            own = OWN_EXTRAS.fullmatch(requirement)
            todo.extend(own[1].split(",")) if own else found.append(requirement)
    return sorted({line for line in found if _name(line) != "torch"})


def _name(requirement: str) -> str:
    match = NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
