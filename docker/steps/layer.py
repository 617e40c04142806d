"""Collect the files that a build step has added, to copy them as one or more layers.

`layer.py mark` records the existing files, and deletes the bytecode that the base image has for the
standard library, since trim.py leaves it out too. `layer.py collect NAME [LAYER=PATTERN...]`
hard-links each new file into /layer/NAME, or into /layer/LAYER if its path matches PATTERN. All
times are set to one fixed time, so that the same files give the same layer.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from pathlib import Path

STDLIB = Path(sysconfig.get_path("stdlib"))
ROOTS = (Path("/opt/kinomill"), STDLIB)
OUT = Path("/layer")
MARK = Path("/tmp/before-this-layer")
EPOCH = 1_577_836_800
"""2020-01-01. Safe because bytecode is not checked against the times of its sources."""


def main() -> None:
    """Run the command that the first argument names."""
    verb, *rest = sys.argv[1:]
    if verb == "mark":
        mark()
    else:
        collect(rest[0], [tuple(word.split("=", 1)) for word in rest[1:]])


def mark() -> None:
    """Record the existing files; bytecode of the standard library counts as new once compiled."""
    for folder in [*STDLIB.rglob("__pycache__")]:
        shutil.rmtree(folder)
    MARK.write_text("\0".join(str(path) for path in files()))


def files() -> list[Path]:
    """All files and links below the roots, sorted."""
    found = [
        Path(folder, name)
        for root in ROOTS
        for folder, folders, names in os.walk(root)
        for name in [*names, *(link for link in folders if Path(folder, link).is_symlink())]
    ]
    return sorted(set(found))


def collect(name: str, rules: list[tuple[str, ...]]) -> None:
    """Link the new files; the first rule that matches a path selects the layer."""
    before = set(MARK.read_text().split("\0"))
    MARK.unlink()
    for layer in {name, *(layer for layer, _ in rules)}:
        (OUT / layer).mkdir(parents=True)  # a wheel without CUDA libraries leaves theirs empty
    for path in files():
        if str(path) not in before:
            layer = next((layer for layer, rule in rules if re.search(rule, str(path))), name)
            _link(path, OUT / layer / path.relative_to("/"))
    for folder, _, _ in os.walk(OUT, topdown=False):
        os.utime(folder, (EPOCH, EPOCH))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.utime(source, (EPOCH, EPOCH), follow_symlinks=False)
    os.link(source, target, follow_symlinks=False)


if __name__ == "__main__":
    main()
