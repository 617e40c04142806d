"""The doctor before this machine; only the graphics card is made up."""

from __future__ import annotations

import resource

import pytest

from cli.doctor import machine
from cli.doctor.finding import Verdict


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Puts an `nvidia-smi` with these words and this exit code first in the path."""

    def make(words, code=0):
        script = tmp_path / "nvidia-smi"
        script.write_text(f"#!/bin/sh\nprintf '{words}'\nexit {code}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


def test_a_new_driver(smi):
    smi("NVIDIA H100 80GB HBM3, 81559 MiB, 580.95.05\\n")

    (finding,) = machine.cards()

    assert finding.state is Verdict.OK
    assert finding.found == "driver 580.95.05: NVIDIA H100 80GB HBM3, 81559 MiB"


def test_an_old_driver(smi):
    smi("Tesla T4, 15360 MiB, 535.104.05\\nTesla T4, 15360 MiB, 535.104.05\\n")

    (finding,) = machine.cards()

    assert finding.state is Verdict.WARN
    assert "580" in finding.remedy


def test_a_driver_that_does_not_answer(smi):
    smi("NVIDIA-SMI has failed", 9)

    (finding,) = machine.cards()

    assert finding.state is Verdict.WARN
    assert "NVIDIA-SMI has failed" in finding.found


def test_no_card_is_fine(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    (finding,) = machine.cards()

    assert finding.state is Verdict.OK


@pytest.mark.parametrize(
    ("free_bytes", "state"),
    [(50 * machine.GB, Verdict.OK), (5 * machine.GB, Verdict.WARN), (1, Verdict.FAIL)],
)
def test_space_on_a_disk(monkeypatch, tmp_path, free_bytes, state):
    usage = type("Usage", (), {"free": free_bytes})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)

    (finding,) = machine.disk("scratch disk", tmp_path / "not" / "yet")

    assert finding.state is state


def test_few_open_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        (finding,) = machine.files()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert finding.state is Verdict.WARN
    assert "512" in finding.found
