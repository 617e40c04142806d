"""Workflows pass actionlint, their shell steps shellcheck: `make deploy-check` installs both."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = str(Path(sys.executable).parent)
ACTIONLINT, SHELLCHECK = (shutil.which(name, path=TOOLS) for name in ("actionlint", "shellcheck"))
pytestmark = pytest.mark.skipif(
    None in (ACTIONLINT, SHELLCHECK), reason="needs actionlint and shellcheck: `make deploy-check`"
)
WRONG = """
on: push
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - run: echo ${{ matrix.python }} $1
"""


def complaints(path):
    command = [ACTIONLINT, "-no-color", "-shellcheck", SHELLCHECK, path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "workflows").iterdir()), ids=lambda path: path.name
)
def test_a_workflow_has_no_fault_that_actionlint_knows(path):
    assert complaints(path) == ""


def test_faults_of_expressions_and_of_shell_are_found(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)

    found = complaints(path)

    assert 'property "python" is not defined' in found
    assert "SC2086" in found
