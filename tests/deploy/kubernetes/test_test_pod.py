"""The script of `helm test`, run against real programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.settings import CliSettings
from cli.stack import Stack, free_port
from tests.database import without_fsync
from tests.deploy.kubernetes import manifests as m
from tests.folders import temporary_folder


@pytest.fixture
def stack(monkeypatch):
    with temporary_folder("deploy") as home, without_fsync():
        monkeypatch.setenv("KINOMILL_AUTH", "keys")
        monkeypatch.setenv("KINOMILL_MODELS", '["preview-lipsync"]')
        settings = CliSettings(database_url=None, redis_url=None, storage=None)
        with Stack(home, free_port(), settings, lambda _: None) as stack:
            yield stack


@pytest.mark.slow
@pytest.mark.acceptance
def test_it_submits_a_job_with_a_key_that_is_revoked_after(stack, tmp_path):
    pod = m.named(m.rendered("minimal"), "Pod/mill-kinomill-test")["spec"]
    [script] = pod["containers"][0]["args"]
    env = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DATABASE_URL": stack.database_url,
        "KINOMILL_URL": stack.url,
        "HOME": str(tmp_path),
    }

    done = subprocess.run(
        [*pod["containers"][0]["command"], script.replace("/tmp", str(tmp_path))],
        env=env,
        cwd=m.ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert '"status":"ok"' in done.stdout
    assert (tmp_path / "result.mp4").read_bytes()[4:8] == b"ftyp"
    assert "is revoked" in done.stdout
