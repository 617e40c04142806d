"""Checks of this machine, with a fake `nvidia-smi`."""

from __future__ import annotations

import resource

import pytest

from cli.doctor import machine
from cli.doctor.check import Status


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Install an `nvidia-smi` with this output and exit code."""

    def install(output, code=0):
        script = tmp_path / "nvidia-smi"
        script.write_text(f"#!/bin/sh\nprintf '{output}'\nexit {code}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


def test_a_new_driver_is_ok(smi):
    smi("NVIDIA H100 80GB HBM3, 81559 MiB, 580.95.05\\n")

    (result,) = machine.check_gpus()

    assert result.status is Status.OK
    assert result.detail == "driver 580.95.05: NVIDIA H100 80GB HBM3, 81559 MiB"


def test_an_old_driver_is_a_warning(smi):
    smi("Tesla T4, 15360 MiB, 535.104.05\\nTesla T4, 15360 MiB, 535.104.05\\n")

    (result,) = machine.check_gpus()

    assert result.status is Status.WARN
    assert "580" in result.remedy


def test_a_broken_driver_is_a_warning(smi):
    smi("NVIDIA-SMI has failed", 9)

    (result,) = machine.check_gpus()

    assert result.status is Status.WARN
    assert "NVIDIA-SMI has failed" in result.detail


def test_a_machine_without_a_gpu_is_ok(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    (result,) = machine.check_gpus()

    assert result.status is Status.OK


@pytest.mark.parametrize(
    ("free_bytes", "state"),
    [(50 * machine.GB, Status.OK), (5 * machine.GB, Status.WARN), (1, Status.FAIL)],
)
def test_free_disk_space(monkeypatch, tmp_path, free_bytes, state):
    usage = type("Usage", (), {"free": free_bytes})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)

    (result,) = machine.check_disk("scratch disk", tmp_path / "not" / "yet")

    assert result.status is state


def test_a_low_limit_of_open_files_is_a_warning():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        (result,) = machine.check_open_files()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert result.status is Status.WARN
    assert "512" in result.detail


@pytest.mark.parametrize(("per_worker", "status"), [(1, Status.OK), (2, Status.WARN)])
def test_gpus_that_workers_cannot_divide_are_told(smi, per_worker, status):
    smi("NVIDIA L4, 23034 MiB, 580.95.05\\n" * 3)

    *_, result = machine.check_gpus(per_worker)

    assert result.status is status
