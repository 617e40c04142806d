"""Runs the scripts of `deploy/cloudrun` with a fake `gcloud`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.models.conftest import CommandResult

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "deploy" / "cloudrun"
SETTINGS = """
PROJECT=my-project
REGION=europe-west4
POOLS=l4,rtx-pro-6000
L4_MODELS=musetalk,latentsync-1.6
RTX_PRO_6000_MODELS=wan2.2-i2v
ACCEPT_LICENSES=latentsync-1.6
WEIGHTS_PROFILES=wan2.2-i2v=gguf-q5_0
"""


class CloudRun:
    """The scripts, their settings, and the cloud that they find."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.out = folder / "out"
        self.settings = folder / "cloudrun.env"
        self.settings.write_text(SETTINGS)
        self.cloud = folder / "cloud"
        programs = folder / "bin"
        for made in (self.cloud, programs):
            made.mkdir()
        fake = Path(__file__).with_name("fake_gcloud.py")
        gcloud = programs / "gcloud"
        gcloud.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{fake}" "{self.cloud}" "$@"\n')
        gcloud.chmod(0o755)
        self.path = f"{programs}{os.pathsep}/usr/local/bin:/usr/bin:/bin"

    def __call__(self, script, *arguments, stdin="", env=True):
        """Run a script with the settings of this test."""
        words = ["--env", self.settings] if env else []
        done = subprocess.run(
            ["bash", SCRIPTS / f"{script}.sh", *words, *arguments],
            env={"PATH": self.path, "TMPDIR": str(self.folder)},
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def deploy(self, *arguments):
        return self("deploy", "--out", self.out, *arguments)

    @property
    def calls(self):
        """All commands so far, as lists of arguments."""
        log = self.cloud / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def resources(self):
        return json.loads((self.cloud / "resources").read_text())

    def fail(self, text):
        """Let each command that contains this text fail."""
        (self.cloud / "fail").write_text(text)

    def forget_calls(self):
        (self.cloud / "calls").unlink()


@pytest.fixture
def cloudrun(tmp_path):
    return CloudRun(tmp_path)


@pytest.fixture(scope="session")
def after_setup(tmp_path_factory):
    """What `setup.sh` creates."""
    cloudrun = CloudRun(tmp_path_factory.mktemp("setup"))
    result = cloudrun("setup")
    assert result.code == 0, result.err
    return (cloudrun.cloud / "resources").read_text()


@pytest.fixture
def installed(cloudrun, after_setup):
    """A cloud in which `setup.sh` has run."""
    (cloudrun.cloud / "resources").write_text(after_setup)
    return cloudrun
