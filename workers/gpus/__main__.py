"""`python -m workers.gpus`: a worker for each GPU or group of GPUs: `kinomill worker --gpus`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING

from pydantic import ValidationError

from runtime.config.errors import describe_errors
from runtime.logs.program import start_logging
from runtime.temporary_folder import TemporaryFolder
from workers.gpus.devices import NoSuchDevices, ask_driver, group_devices, parse_devices
from workers.gpus.gpu_host import GpuHost
from workers.gpus.gpu_worker import GpuWorker, worker_command
from workers.settings import WorkerSettings, environment, visible_devices
from workers.worker_name import InvalidName, check_pattern

if TYPE_CHECKING:
    from pathlib import Path

LAST_PORT = 65_535


def main() -> None:
    """Start the workers, and run until all have ended."""
    parser = ArgumentParser(prog="python -m workers.gpus", description="Run a worker a GPU.")
    parser.add_argument("--gpus", required=True, help="all, a number of GPUs, or a list: 0,1")
    parser.add_argument("--hostname", required=True, help="as of `python -m workers`")
    given = parser.parse_args()
    try:
        settings = WorkerSettings()
        found = parse_devices(given.gpus, visible_devices(), ask_driver)
        devices = group_devices(found, settings.gpus_per_worker)
        check_names(given.hostname, devices)
        check_ports(settings.health_port, devices)
    except ValidationError as error:
        sys.exit(f"kinomill: {describe_errors(error)}")
    except NoSuchDevices as error:
        sys.exit(f"kinomill: --gpus: {error}")
    start_logging(settings)
    with TemporaryFolder("kinomill-gpus-") as folder:
        workers = create_workers(devices, given.hostname, settings, folder)
        sys.exit(GpuHost(workers, settings.heartbeat_file).run())


def check_names(pattern: str, devices: tuple[str, ...]) -> None:
    """Refuse a pattern that gives no name, or two workers one. Raises `NoSuchDevices`."""
    try:
        check_pattern(pattern)
    except InvalidName as error:
        raise NoSuchDevices(str(error)) from error
    if len(devices) > 1 and "%g" not in pattern and "%b" not in pattern:
        raise NoSuchDevices(
            f"{len(devices)} workers cannot share the name {pattern}: add %g or %b to --name"
        )


def check_ports(first: int | None, devices: tuple[str, ...]) -> None:
    """Refuse a first health port after which there are too few. Raises `NoSuchDevices`."""
    if first is not None and first + len(devices) - 1 > LAST_PORT:
        raise NoSuchDevices(f"KINOMILL_HEALTH_PORT={first} leaves no port for each worker")


def create_workers(
    devices: tuple[str, ...], pattern: str, settings: WorkerSettings, folder: Path
) -> list[GpuWorker]:
    """The workers, not started. Each sees its GPU, or its group of GPUs, only.

    It has a health port of its own.
    """
    workers = []
    for number, device in enumerate(devices):
        alive_file = folder / f"{number}.alive"
        variables = {
            "CUDA_VISIBLE_DEVICES": device,
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as nvidia-smi counts
            "KINOMILL_HEARTBEAT_FILE": str(alive_file),
        }
        if settings.health_port:
            variables["KINOMILL_HEALTH_PORT"] = str(settings.health_port + number)
        env = environment() | variables
        workers.append(GpuWorker(device, worker_command(pattern), env, alive_file))
    return workers


if __name__ == "__main__":
    main()
