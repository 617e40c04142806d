"""A pytest plugin that leaves out what needs torch or takes long: `make test-fast`.

Whether a test needs torch is read from the imports of its module, and of the modules of ours that
these import in turn.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "diffusers", "transformers")
_LIGHT: set[Path] = set()
"""Modules that were found to need nothing heavy."""
SLOW = frozenset(
    ROOT / "tests" / name
    for name in (
        "acceptance", "api/test_pressure.py", "api/test_schema_fuzz.py", "bench", "browser",
        "cli/doctor",
        "cli/embedded", "cli/models", "cli/test_main.py", "faults", "kinomill/test_client.py",
        "kinomill/test_wait.py", "maintenance", "migrations",
        "models/faces/test_cache.py", "models/faces/tracking", "models/lipsync",
        "models/preview_i2v", "models/preview_lipsync", "models/video/test_flat_memory.py",
        "models/video/test_writer.py", "packaging", "soak", "storage/test_contract.py",
        "storage/test_gcs.py", "weights/download", "weights/mirror", "weights/sources/test_gcs.py",
        "weights/volume/test_file_lock.py", "workers",
    )
)  # fmt: skip
"""Tests that start programs, run whole jobs or wait: most of the time of `make test`."""


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out slow tests, modules that import torch, and folders whose conftest.py does."""
    if collection_path in SLOW:
        return True
    module = collection_path / "conftest.py" if collection_path.is_dir() else collection_path
    return (module.suffix == ".py" and module.exists() and needs_torch(module)) or None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a test imported torch all the same."""
    if "torch" in sys.modules:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        sys.stderr.write("a test imported torch: see tests/fast.py\n")


def needs_torch(path: Path) -> bool:
    """Whether importing a module of ours imports torch."""
    todo, seen = [path], set()
    while todo:
        current = todo.pop()
        if current in seen or current in _LIGHT:
            continue
        seen.add(current)
        for name in imported(current):
            if name.split(".")[0] in HEAVY:
                return True
            todo += ours(name)
    _LIGHT.update(seen)
    return False


@cache
def imported(path: Path) -> tuple[str, ...]:
    """The names that a module imports when it is imported itself."""
    return tuple(_names(ast.parse(path.read_text()).body))


def _names(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Try | ast.With):
            yield from _names(node.body)


@cache
def ours(name: str) -> tuple[Path, ...]:
    """The files of our modules that an import of this name runs."""
    parts = name.split(".")
    stems = [ROOT.joinpath(*parts[:length]) for length in range(1, len(parts) + 1)]
    files = [file for stem in stems for file in (stem / "__init__.py", stem.with_suffix(".py"))]
    return tuple(file for file in files if file.exists())
