"""Replace four libraries that torch links to, but a single GPU does not use, by stubs.

`stubs.py NVIDIA_LAYER TORCH_LAYER`. NCCL and NVSHMEM connect several GPUs, cuSPARSELt multiplies
2:4 sparse matrices, and torch no longer calls cuRAND. A stub has the name (SONAME), version node
and each symbol that another library imports; a function returns 1, an error code in all four.
`import torch` works with them; not yet run on a GPU.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

STUBBED = ("libnccl.so.*", "libnvshmem_host.so.*", "libcusparseLt.so.*", "libcurand.so.*")
GCC = ("gcc", "-shared", "-fPIC", "-nostdlib", "-w", "-Wl,--build-id=none")
EPOCH = 1_577_836_800
FUNCTIONS = "TWi"
"""Symbol types of `nm` that are code; the others are data."""
SYMBOL = re.compile(r"^[0-9a-f]* *(?P<kind>[A-Za-z]) (?P<name>[^@\s]+)(?:@+(?P<node>\S+))?$")


def main() -> None:
    """Replace each of these libraries in the layer."""
    nvidia, torch = Path(sys.argv[1]), Path(sys.argv[2])
    stubbed = [path for name in STUBBED for path in nvidia.rglob(name)]
    if len(stubbed) != len(STUBBED):
        sys.exit(f"expected one file each of {STUBBED}, found {stubbed}")
    callers = [
        path for top in (nvidia, torch) for path in top.rglob("*.so*") if path not in stubbed
    ]
    imported = {match["name"] for path in callers for match in symbols(path, "--undefined-only")}
    for library in stubbed:
        defined = [match for match in symbols(library, "--defined-only") if match["kind"] != "A"]
        replace(library, [match for match in defined if match["name"] in imported])


def symbols(library: Path, which: str) -> list[re.Match[str]]:
    """The dynamic symbols of a library, with their version nodes."""
    command = ["nm", "-D", "--with-symbol-versions", which, str(library)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [match for line in lines if (match := SYMBOL.match(line.strip()))]


def replace(library: Path, kept: list[re.Match[str]]) -> None:
    """Replace a library by a stub with these symbols."""
    code = "".join(
        f"int {match['name']}(void) {{ return 1; }}\n"
        if match["kind"] in FUNCTIONS
        else f"char {match['name']}[4096];\n"
        for match in kept
    )
    nodes = {match["node"] for match in kept if match["node"]}
    with tempfile.TemporaryDirectory() as folder:
        source, script = Path(folder, "stub.c"), Path(folder, "stub.map")
        source.write_text(code)
        names = " ".join(f"{match['name']};" for match in kept)
        script.write_text("".join(f"{node} {{ global: {names} local: *; }};\n" for node in nodes))
        versions = [f"-Wl,--version-script={script}"] if nodes else []
        library.unlink()
        subprocess.run(
            [*GCC, f"-Wl,-soname,{library.name}", *versions, "-o", str(library), str(source)],
            check=True,
        )
    os.utime(library, (EPOCH, EPOCH))
    sys.stdout.write(f"{library.name}: a stub of {len(kept)} symbols, {library.stat().st_size} B\n")


if __name__ == "__main__":
    main()
