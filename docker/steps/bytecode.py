"""Compile bytecode for the modules that are imported, and for no others.

`bytecode.py imported LIST` imports the modules in LIST, and compiles them and everything that they
import; `bytecode.py all FOLDER` compiles all modules below FOLDER. Only a third of the modules of
the worker's libraries is ever imported; bytecode for the rest would take 200 MB. The pyc files are
unchecked hash-based ones (PEP 552), so they stay valid when the times of the sources change.
"""

from __future__ import annotations

import importlib
import py_compile
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run the command that the first argument names."""
    verb, argument = sys.argv[1:]
    if verb == "compile":
        _compile([Path(line) for line in sys.stdin.read().splitlines()])
        return
    sources = _imported(Path(argument)) if verb == "imported" else _below(Path(argument))
    # A separate interpreter makes the bytecode reproducible.
    command = [sys.executable, "-IB", __file__, "compile", "-"]
    subprocess.run(command, input="\n".join(sources), text=True, check=True)


def _imported(list_file: Path) -> list[str]:
    """Source files of the listed modules and of all modules that they import."""
    for line in list_file.read_text().splitlines():
        module, _, name = line.partition("#")[0].strip().partition(":")
        if module:
            found = importlib.import_module(module)
            if name:
                getattr(found, name)
    specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    origins = {spec.origin for spec in specs if spec}
    return sorted(origin for origin in origins if origin and origin.endswith(".py"))


def _below(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*.py"))


def _compile(sources: list[Path]) -> None:
    kind = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for source in sources:
        py_compile.compile(str(source), doraise=True, invalidation_mode=kind)


if __name__ == "__main__":
    main()
