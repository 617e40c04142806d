"""Shell scripts, also those in manifests, pass shellcheck: `make deploy-check` installs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure.sources import ROOT, tracked

SHELLCHECK = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
pytestmark = pytest.mark.skipif(SHELLCHECK is None, reason="needs shellcheck: `make deploy-check`")
SCRIPTS = [
    str(path.relative_to(ROOT))
    for path in tracked()
    if path.suffix == ".sh" or path == ROOT / ".ci" / "run"
]


def complaints(*arguments, script=None):
    done = subprocess.run(
        [SHELLCHECK, "--norc", "--external-sources", *arguments],
        cwd=ROOT,
        input=script,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_no_fault_that_shellcheck_knows(script):
    assert complaints("--source-path=SCRIPTDIR", script) == ""


def test_there_are_scripts():
    assert "deploy/prepull.sh" in SCRIPTS


@pytest.mark.parametrize("name", ["minimal", "gke-l4"])
def test_the_script_of_the_test_pod_has_none_either(name):
    manifests = pytest.importorskip("tests.deploy.kubernetes.manifests")
    pod = manifests.named(manifests.rendered(name), "Pod/mill-kinomill-test")

    assert complaints("--shell=dash", "-", script=pod["spec"]["containers"][0]["args"][0]) == ""
