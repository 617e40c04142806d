"""Which GPUs of this host to use, counted by NVIDIA's tool: torch would take seconds and memory."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ALL = "all"
TOOL = ("nvidia-smi", "-L")
TOOL_SECONDS = 60
"""A driver that is not kept loaded takes seconds for each GPU."""
_GPU = re.compile(r"GPU (\d+): .*")
_SLICE = re.compile(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)")
_DEVICE = re.compile(r"\d{1,3}|(GPU|MIG)-[0-9A-Za-z/-]{1,100}")


class NoSuchDevices(ValueError):
    """The GPUs that were asked for cannot be used; the message says why."""


def parse_devices(text: str, visible: str | None, listed: Callable[[], str]) -> tuple[str, ...]:
    """The devices of `--gpus`: `all`, a number of GPUs, or a list such as `0,1`.

    `visible` is what `CUDA_VISIBLE_DEVICES` allows, None: everything. `listed` returns what
    `nvidia-smi -L` prints, and is called only if neither names the devices. Each is a number or a
    UUID, as CUDA reads them. Raises `NoSuchDevices`.
    """
    if "," in text:
        return _named(text)
    if text != ALL and not (text.isascii() and text.isdecimal() and 0 < int(text) < 1000):
        raise NoSuchDevices(
            f"{text!r} is neither `all`, nor a number of GPUs, nor a list such as 0,1 "
            "(one GPU alone: 0,)"
        )
    found = list_devices(listed()) if visible is None else _named(visible)
    wanted = len(found) if text == ALL else int(text)
    if not found or wanted > len(found):
        raise NoSuchDevices(f"{wanted or 'all'} GPUs are asked for, but {len(found)} were found")
    return tuple(found[:wanted])


def group_devices(devices: Sequence[str], size: int) -> tuple[str, ...]:
    """Devices in groups of this size, each as `CUDA_VISIBLE_DEVICES`. Raises `NoSuchDevices`."""
    if size == 1:
        return tuple(devices)
    if len(devices) % size:
        raise NoSuchDevices(
            f"{len(devices)} GPUs cannot be divided among workers of {size}: "
            "change KINOMILL_GPUS_PER_WORKER or the number of GPUs"
        )
    _refuse_parts(devices)
    return tuple(",".join(devices[at : at + size]) for at in range(0, len(devices), size))


def check_group(visible: str | None, size: int, listed: Callable[[], str]) -> None:
    """Refuse a worker of several GPUs that does not see just so many. Raises `NoSuchDevices`.

    Arguments as of `parse_devices`. A worker without a GPU runs on the CPU.
    """
    found = _visible(visible, listed)
    if found and len(found) != size:
        raise NoSuchDevices(
            f"KINOMILL_GPUS_PER_WORKER is {size}, but this worker sees {len(found)} GPUs: start it "
            f"with --gpus all, or name {size} in CUDA_VISIBLE_DEVICES"
        )
    _refuse_parts(found)


def _visible(visible: str | None, listed: Callable[[], str]) -> Sequence[str]:
    """The devices of this process; none if CUDA is hidden from it, or there is no driver."""
    if visible is not None:
        return () if visible.strip() in {"", "-1"} else _named(visible)
    try:
        return list_devices(listed())
    except NoSuchDevices:
        return ()


def _refuse_parts(devices: Sequence[str]) -> None:
    if any(device.startswith("MIG-") for device in devices):
        raise NoSuchDevices(
            "parts of a split GPU (MIG) cannot work on one job together: "
            "set KINOMILL_GPUS_PER_WORKER to 1"
        )


def list_devices(listed: str) -> list[str]:
    """The devices that `nvidia-smi -L` lists; a GPU that is split (MIG) counts as its parts."""
    found: list[list[str]] = []
    for line in listed.splitlines():
        gpu, part = _GPU.fullmatch(line), _SLICE.fullmatch(line)
        if gpu:
            found.append([gpu[1]])
        elif part and found:
            found[-1].append(part[1])
    return [device for gpu, *parts in found for device in parts or [gpu]]


def ask_driver() -> str:
    """What `nvidia-smi -L` prints. Raises `NoSuchDevices`."""
    try:
        done = subprocess.run(
            TOOL, capture_output=True, text=True, check=False, timeout=TOOL_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoSuchDevices(_cannot_count(str(error))) from error
    if done.returncode:
        raise NoSuchDevices(_cannot_count((done.stdout + done.stderr).strip()[:200]))
    return done.stdout


def _cannot_count(reason: str) -> str:
    return (
        f"the GPUs cannot be counted: nvidia-smi -L failed ({reason}): name them, such as "
        "--gpus 0,1"
    )


def _named(text: str) -> tuple[str, ...]:
    devices: Sequence[str] = [part.strip() for part in text.split(",") if part.strip()]
    for device in devices:
        if not _DEVICE.fullmatch(device):
            raise NoSuchDevices(f"{device!r} is neither the number nor the UUID of a GPU")
    if len(set(devices)) < len(devices):
        raise NoSuchDevices(f"{text!r} names a GPU twice: each needs a worker of its own")
    if not devices:
        raise NoSuchDevices("no GPU is named, or CUDA_VISIBLE_DEVICES hides all of them")
    return tuple(devices)
