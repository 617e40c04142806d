"""Inspect a container from inside and print JSON: `docker/scan.py` runs it in an image.

Usage: `python - api|worker < probe.py`. Uses the standard library and the image's packages only.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import sys
import time
from pathlib import Path

COMPILERS = re.compile(
    r"(.*-)?(gcc|g\+\+|cc|c\+\+|cpp|clang|ld|as|make|cmake|nvcc|cargo|rustc|go)(-\d+)?"
)
WEIGHTS = {".safetensors", ".pth", ".pt", ".gguf", ".ckpt", ".onnx", ".bin", ".npz"}
WEIGHTS_BYTES = 1_000_000
SECRET = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}"
    rb"|\bhf_[A-Za-z0-9]{30}|\bgh[pousr]_[A-Za-z0-9]{36}|\bAKIA[0-9A-Z]{16}\b"
)
PUBLIC_TOKENS = {"transformers/testing_utils.py"}
"""Files with a token that is not secret: the one of the Hub's public test account."""
SECRET_FILES = {".netrc", ".git-credentials", "pip.conf", ".pypirc", ".env", "credentials.json"}
VOLUMES = ("/tmp", "/weights", "/var/lib/kinomill/objects")
ENTRY_MODULES = {
    "api": (
        "api.__main__", "api.app", "api.route_table", "cli.main", "cli.serve",
        "maintenance.program", "cli.flower", "migrations.upgrade",
        "celery.bin.celery",
        "flower.command", "uvicorn.protocols.http.auto", "uvicorn.loops.auto",
    ),
    "worker": (
        "workers.celery_app", "workers.parent.lifecycle", "workers.child.process",
        "workers.child.run_job", "cli.main",
        "cli.models.command",
        "celery.apps.worker", "celery.concurrency.prefork", "diffusers", "transformers",
    ),
}  # fmt: skip


def main() -> None:
    """Print the findings."""
    files = [path for path in walk() if not path.is_symlink()]
    findings = {
        "uid": os.getuid(),
        "capabilities": int(_status("CapEff"), 16),
        "init": Path("/proc/1/comm").read_text().strip(),
        "writable_root": writable("/"),
        "writable": [folder for folder in VOLUMES if writable(folder)],
        "compilers": [str(path) for path in files if is_compiler(path)],
        "installers": installers(),
        "tests": [str(path) for path in Path("/opt/kinomill").rglob("tests") if path.is_dir()],
        "weights": [str(path) for path in files if is_weights(path)],
        "secrets": [str(path) for path in files if may_be_secret(path)],
        **imports(sys.argv[1]),
    }
    sys.stdout.write(json.dumps(findings))


def walk() -> list[Path]:
    """All files of the image."""
    return [
        Path(folder, name)
        for top in ("/usr", "/opt", "/etc", "/root", "/home", "/var", "/weights", "/srv")
        for folder, _, names in os.walk(top)
        for name in names
    ]


def _status(key: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{key}:"))


def writable(folder: str) -> bool:
    """Whether a file can be created there."""
    try:
        path = Path(folder, "probe-of-the-scan")
        path.touch()
        path.unlink()
    except OSError:
        return False
    return True


def is_compiler(path: Path) -> bool:
    """Whether the file is a compiler or a build tool."""
    return bool(COMPILERS.fullmatch(path.name)) and os.access(path, os.X_OK)


def installers() -> list[str]:
    """Installed tools that install Python packages."""
    names = ("pip", "setuptools", "wheel", "ensurepip", "uv")
    return [name for name in names if importlib.util.find_spec(name)]


def is_weights(path: Path) -> bool:
    """Whether the file looks like the weights of a model."""
    return path.suffix in WEIGHTS and path.stat().st_size > WEIGHTS_BYTES


def may_be_secret(path: Path) -> bool:
    """Whether the file may contain a private key or an access token."""
    if path.name in SECRET_FILES:
        return True
    if "/".join(path.parts[-2:]) in PUBLIC_TOKENS:
        return False
    try:
        return path.stat().st_size < 1_000_000 and bool(SECRET.search(path.read_bytes()))
    except PermissionError:
        return False


def imports(kind: str) -> dict[str, object]:
    """Import the entry modules: CPU seconds, and modules without bytecode."""
    started = time.process_time()
    for name in ENTRY_MODULES[kind]:
        importlib.import_module(name)
    if kind == "worker":
        for runner in runners():
            importlib.import_module(runner)
        _ = sys.modules["diffusers"].WanImageToVideoPipeline
        _ = sys.modules["transformers"].UMT5EncoderModel
    seconds = time.process_time() - started
    specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    compiled = {spec.name: spec.cached for spec in specs if spec and is_source(spec.origin)}
    without_bytecode = sorted(
        name for name, at in compiled.items() if not (at and Path(at).exists())
    )
    return {
        "modules": len(compiled),
        "without_bytecode": without_bytecode,
        "import_cpu_seconds": round(seconds, 2),
    }


def is_source(origin: str | None) -> bool:
    """Whether a module was loaded from a Python source file."""
    return bool(origin and origin.endswith(".py"))


def runners() -> list[str]:
    """Modules of the runners of all models."""
    from models import catalog

    return [card.runner.partition(":")[0] for card in catalog.CARDS.values()]


if __name__ == "__main__":
    main()
