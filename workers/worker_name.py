"""Names of workers: unique by construction, so that two on one host are never taken for one."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from celery.utils.nodenames import default_nodename, host_format

_DRIVER = Path("/dev/nvidiactl")
_MAX_DEVICES = 24
"""Characters of the devices in a name; UUIDs of GPUs are longer."""


def worker_name(pattern: str, devices: str | None) -> str:
    """Fill in a pattern: `%h` is the host, `%g` the GPUs, `%b` eight new hexadecimal digits.

    `devices` is what `CUDA_VISIBLE_DEVICES` says. The digits are new at each start, because a
    host's name and GPU do not tell two workers apart that share them.
    """
    filled = pattern.replace("%g", _devices(devices)).replace("%b", secrets.token_hex(4))
    return str(host_format(default_nodename(filled)))


def _devices(devices: str | None) -> str:
    if devices is None:
        return "gpu" if _DRIVER.exists() else "cpu"
    named = re.sub(r"[^A-Za-z0-9]+", ".", devices).strip(".")[:_MAX_DEVICES]
    return f"gpu{named}" if named and devices.strip() != "-1" else "cpu"
