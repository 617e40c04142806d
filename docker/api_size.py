"""The size of the API image where there is no Docker: `python3 docker/api_size.py --base-mb 34.1`.

Runs the steps of docker/api.Dockerfile in a temporary folder with the Python that runs this, which
must be that of the image (3.11), and compresses each layer with zstd, level 3, as a push does. The
base image is a figure of the command line. Needs pip, strip and zstd. Exit code 1 over the budget.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
STEPS = HERE / "steps"
EXTRAS = re.compile(r"requirements\.py /requirements (.+)")
TAR = "tar --sort=name --mtime=@1577836800 --owner=10001 --numeric-owner --exclude=./pyvenv.cfg"


def main() -> None:
    """Build the layers, print their sizes, compare with the budget."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--base-mb", type=float, required=True, help="compressed, of the base")
    options = parser.parse_args()
    budget = tomllib.loads((HERE / "budgets.toml").read_text())["api"]
    with TemporaryDirectory(prefix="kinomill-api-size-") as folder:
        layers = {"base": options.base_mb} | built(Path(folder))
    total = sum(layers.values())
    for name, size in [*layers.items(), ("compressed", total), ("budget", budget)]:
        sys.stdout.write(f"{name:<16}{size:>8.1f} MB\n")
    sys.exit(total > budget)


def built(folder: Path) -> dict[str, float]:
    """Megabytes of the layers of libraries and of our code."""
    venv = folder / "venv"
    python = venv / "bin" / "python"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    empty = compressed(venv)
    run(sys.executable, STEPS / "requirements.py", folder / "requirements", *extras())
    install = ["pip", "--python", python, "install", "--quiet", "--no-compile", "--no-deps"]
    listed = folder / "requirements" / "requirements.txt"
    run(sys.executable, "-m", *install, "--require-hashes", "-r", listed)
    run(sys.executable, STEPS / "strip_packages.py", venv)
    run(python, "-B", STEPS / "bytecode.py", "imported", HERE / "imports" / "api.txt")
    code = folder / "code"
    (code / "lib" / "python3" / "site-packages").mkdir(parents=True)
    run(sys.executable, STEPS / "copy_packages.py", HERE.parent, code)
    for cached in [*code.rglob("__pycache__")]:
        shutil.rmtree(cached)
    run(python, "-B", STEPS / "bytecode.py", "all", code)
    return {"other libraries": compressed(venv) - empty, "our code": compressed(code)}


def extras() -> list[str]:
    """The extras that the Dockerfile installs."""
    found = EXTRAS.search((HERE / "api.Dockerfile").read_text())
    if found is None:
        sys.exit("api.Dockerfile does not say which extras it installs")
    return found[1].split()


def compressed(folder: Path) -> float:
    """Megabytes of a folder as a layer: tar, zstd level 3."""
    command = f"{TAR} -C {folder} -c . | zstd -3 -T1 -q -c | wc -c"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, stdout=-1)
    return int(done.stdout) / 1e6


def run(*command: str | Path) -> None:
    """Run a step in the folder of the project."""
    subprocess.run([str(word) for word in command], check=True, cwd=HERE.parent)


if __name__ == "__main__":
    main()
