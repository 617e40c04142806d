"""The tracked files of the repository, for the tests of its structure."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = (
    "accounts", "api", "cli", "jobs", "kinomill", "maintenance", "models", "runtime", "storage",
    "weights", "workers",
)  # fmt: skip
"""The top-level packages that are shipped."""


@cache
def tracked() -> tuple[Path, ...]:
    """All files that git tracks and that exist."""
    names = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True, text=True
    ).stdout.split("\0")
    return tuple(path for name in names if name and (path := ROOT / name).is_file())


def modules(*rooms: str) -> list[Path]:
    """The Python files of these top-level packages."""
    return [
        path
        for path in tracked()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in rooms
    ]


def text(path: Path) -> str | None:
    """The content of a text file; None if the file is binary."""
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return None


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions of a module, methods and nested ones too."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
