"""Delete files that no program uses at run time: `strip_packages.py /opt/kinomill`.

Only files whose removal was tested are deleted. Libraries that torch links to stay (cusolver,
cusparse, nvJitLink, cupti, cufft, the parts of cudnn), and so does torch/bin, which `import torch`
looks for. Triton is needed only by torch.compile, which no model here uses.

Debug symbols of extension modules are stripped (uvloop: 13.6 MB to 1.6 MB), but only in packages
without bundled libraries: `strip` may break files that auditwheel has rewritten.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDERS = (
    "**/tests",
    "*/test",
    "sqlalchemy/testing",
    "alembic/testing",
    "torch/include",
    "torch/share",
    "torch/test",
    "triton*",
    "setuptools*",
    "_distutils_hack",
    "pkg_resources",
    "numpy/**/include",
    "nvidia/**/include",
    "nvidia/**/pkgconfig",
    "nvidia/**/cmake",
    "**/__pycache__",
)
FILES = (
    "**/*.pyi",
    "**/*.pyx",
    "**/*.pxd",
    "**/*.a",
    "distutils-precedence.pth",
    "botocore/data/**/examples-1.json",
    "nvidia/**/*.bc",
    "nvidia/**/nvshmem_*.so*",
    "nvidia/**/libnvshmem_device*",
    "nvidia/**/libcusolverMg*",
    "nvidia/**/*.alt.so*",
    "nvidia/**/libnvperf_*",
    "nvidia/**/libpcsamplingutil*",
    "nvidia/**/bin/*",
)
AWS_SERVICES = ("s3", "sts", "sso", "sso-oidc", "signin")
"""Services of botocore to keep: object storage, and those that credentials come from."""
LEXERS = ("__init__.py", "_mapping.py", "python.py")
"""Lexers of pygments to keep: rich highlights Python only, in tracebacks."""
SCRIPTS = ("python", "python3", "python3.*", "kinomill")


def main() -> None:
    """Delete the folders, files and scripts, then strip the extension modules."""
    venv = Path(sys.argv[1])
    (packages,) = venv.glob("lib/python*/site-packages")
    for pattern in FOLDERS:
        for folder in [*packages.glob(pattern)]:
            shutil.rmtree(folder, ignore_errors=True)
    for service in packages.glob("botocore/data/*/"):
        if service.name not in AWS_SERVICES:
            shutil.rmtree(service)
    for file in set(_files(packages)):
        file.unlink()
    for script in venv.glob("bin/*"):
        if not any(script.match(kept) for kept in SCRIPTS):
            script.unlink()
    extensions = [str(path) for path in packages.rglob("*.so") if _strippable(path, packages)]
    subprocess.run(["strip", "--strip-unneeded", *extensions], check=True)


def _files(packages: Path) -> Iterator[Path]:
    """Files to delete; may yield a file more than once."""
    for pattern in FILES:
        yield from packages.glob(pattern)
    for lexer in packages.glob("pygments/lexers/*.py"):
        if lexer.name not in LEXERS:
            yield lexer


def _strippable(extension: Path, packages: Path) -> bool:
    """Whether `strip` is safe: the file was not rewritten to find libraries bundled with it."""
    top = extension.relative_to(packages).parts[0]
    if top in {"torch", "nvidia", "cv2"} or top.endswith(".libs") or not extension.is_file():
        return False
    return b".libs" not in extension.read_bytes()


if __name__ == "__main__":
    main()
