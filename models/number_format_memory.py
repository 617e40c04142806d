"""The number formats that were chosen before, in one small file for each machine and model."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Final

import structlog
import torch

log = structlog.get_logger()

_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_CPU_INFO: Final = Path("/proc/cpuinfo")


class NumberFormatMemory:
    """A folder, which many machines may share: each reads only what it wrote itself.

    A damaged file counts as absent, and a failed write is only logged.
    """

    def __init__(self, folder: Path, machine: dict[str, object] | None = None) -> None:
        self._folder = folder
        self._machine = machine or describe_machine()

    def read(self, model: str) -> torch.dtype | None:
        """The format that was chosen for a model on this machine."""
        path = self._path(model)
        try:
            found = json.loads(path.read_bytes())
            if found["machine"] == self._machine and found["model"] == model:
                return _DTYPES[found["dtype"]]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            log.warning("remembered number format unreadable", path=str(path), error=repr(error))
        return None

    def write(self, model: str, dtype: torch.dtype) -> None:
        """Remember the format of a model on this machine."""
        name = str(dtype).removeprefix("torch.")
        text = json.dumps({"model": model, "dtype": name, "machine": self._machine}, indent=1)
        path = self._path(model)
        partial = path.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.unlink(missing_ok=True)
            with partial.open("x") as file:  # "x": never write through another user's symlink
                file.write(text)
            partial.replace(path)
        except OSError as error:
            log.warning("number format not remembered", path=str(path), error=str(error))

    def _path(self, model: str) -> Path:
        key = json.dumps([model, self._machine], sort_keys=True)
        return self._folder / f"{model}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def describe_machine() -> dict[str, object]:
    """Everything that the choice depends on: the CPU, the threads, PyTorch and its limits."""
    return {
        "cpu": _cpu_model(),
        "instructions": sorted(
            name for name, has in torch.cpu.get_capabilities().items() if has is True
        ),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }


def _cpu_model() -> str:
    """The name that the kernel or the platform gives to the CPU."""
    try:
        lines = _CPU_INFO.read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else f"{platform.machine()} {platform.processor()}"
