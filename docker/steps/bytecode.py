"""Ship bytecode of the modules that are imported, and of no others.

`bytecode.py imported LIST` imports the modules named in LIST and compiles them and all that they
pull in; `bytecode.py all FOLDER` compiles what lies there and has none. A third of the modules of
the worker's libraries is ever imported: bytecode of the rest would cost 200 MB for nothing. It is
of the unchecked kind (PEP 552): a layer whose files get other times stays valid.
"""

from __future__ import annotations

import importlib
import py_compile
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Do what the first argument says."""
    verb, argument = sys.argv[1:]
    if verb == "compile":
        _compile([Path(line) for line in sys.stdin.read().splitlines()])
        return
    sources = _imported(Path(argument)) if verb == "imported" else _below(Path(argument))
    # Alone in its interpreter, bytecode comes out the same each time.
    command = [sys.executable, "-IB", __file__, "compile", "-"]
    subprocess.run(command, input="\n".join(sources), text=True, check=True)


def _imported(wanted: Path) -> list[str]:
    """Sources of the modules of the list, and of those that they import."""
    for line in wanted.read_text().splitlines():
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
