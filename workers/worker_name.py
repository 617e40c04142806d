"""Names of workers: unique by construction, so that two on one host are never taken for one."""

from __future__ import annotations

import re
import secrets
import socket
from hashlib import sha256
from pathlib import Path

from celery.utils.nodenames import default_nodename, host_format

_DRIVER = Path("/dev/nvidiactl")
_MAX_DEVICES = 24
"""Characters of the devices in a name; UUIDs of GPUs are longer."""
_PART = r"(?:[^\s%@,]|%[hgb])+"
_PATTERN = re.compile(f"{_PART}(?:@{_PART})?")


class InvalidName(ValueError):
    """Monitors could not show a worker of this name, or send it a command."""

    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"--name {pattern!r}: write a word with at most one @, without spaces and commas; %h "
            "becomes the host, %g its GPUs, %b new digits; or leave --name away"
        )


def check_pattern(pattern: str) -> None:
    """Raise `InvalidName` for a pattern that gives no name."""
    if not _PATTERN.fullmatch(pattern):
        raise InvalidName(pattern)


def worker_name(pattern: str, devices: str | None) -> str:
    """Fill in a pattern: `%h` is the host, `%g` the GPUs, `%b` eight new hexadecimal digits.

    `devices` is what `CUDA_VISIBLE_DEVICES` says. The digits are new at each start, because a
    host's name and GPU do not tell two workers apart that share them. Raises `InvalidName`.
    """
    check_pattern(pattern)
    filled = pattern.replace("%h", _host()).replace("%g", _devices(devices))
    filled = filled.replace("%b", secrets.token_hex(4))
    return str(host_format(default_nodename(filled)))


def _host() -> str:
    """The name of this host, without characters that a worker's name may not have."""
    return re.sub(r"[^\w.-]+", "-", socket.gethostname())


def _devices(devices: str | None) -> str:
    if devices is None:
        return "gpu" if _DRIVER.exists() else "cpu"
    named = re.sub(r"[^A-Za-z0-9]+", ".", devices).strip(".")
    if len(named) > _MAX_DEVICES:  # parts of one GPU differ at the end only
        named = f"{named[: _MAX_DEVICES - 9]}.{sha256(named.encode()).hexdigest()[:8]}"
    return f"gpu{named}" if named and devices.strip() != "-1" else "cpu"
