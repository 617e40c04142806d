"""Runs `deploy/prepull.sh` against a fake Hub, on a temporary volume."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.models.conftest import CommandResult, ModelsCli
from tests.weights.fake_hub import fake_hub

ROOT = Path(__file__).parents[2]


class Prepull(ModelsCli):
    """Runs the script with a fake Hub and a temporary volume."""

    def __call__(self, *arguments, stdin="", **variables):
        """Run the script; `kinomill` is the one of this interpreter."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", ROOT / "deploy" / "prepull.sh", *map(str, arguments)],
            env=self.env(PATH=path, **variables),
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def prepull(tmp_path, capsys):
    with fake_hub() as hub:
        yield Prepull(hub, tmp_path, capsys)
