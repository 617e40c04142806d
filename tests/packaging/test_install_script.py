"""requirements/install.sh: what a failed attempt says, and that it leaves nothing half-made."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.packaging.conftest import ROOT

FAKE = """#!/bin/sh
case "$*" in
*version_info*) exit {old} ;;
"-m venv"*)
    mkdir -p "$3/bin" && touch "$3/pyvenv.cfg" && cp "$0" "$3/bin/python"
    echo "The virtual environment was not created because ensurepip is not available." >&2
    exit 1 ;;
*) exit 1 ;;
esac
"""


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "it's a ~ place"
    folder.mkdir()
    return folder


@pytest.fixture
def install(place):
    """Run the script with a Python that cannot create environments, like Debian's without venv."""

    def run(venv, *, old=0):
        python = place / "python3"
        python.write_text(FAKE.format(old=old))
        python.chmod(0o755)
        return subprocess.run(
            ["sh", ROOT / "requirements" / "install.sh", venv, "embedded"],
            env={"PATH": os.environ["PATH"], "PYTHON": str(python)},
            capture_output=True,
            text=True,
        )

    return run


def test_a_failed_venv_is_explained_and_removed_each_time(place, install):
    for _ in range(2):
        failed = install(place / ".venv")

        assert failed.returncode == 1
        assert "apt install python3-venv" in failed.stderr
        assert "ensurepip is not available" in failed.stderr
        assert [path.name for path in place.iterdir()] == ["python3"]


def test_what_another_attempt_left_half_made_is_removed(place, install):
    half = place / ".venv"
    (half / "bin").mkdir(parents=True)
    (half / "pyvenv.cfg").touch()
    (half / "bin" / "python").write_text(FAKE.format(old=0))

    assert install(half).returncode == 1
    assert not half.exists()


def test_a_folder_that_is_no_environment_is_not_touched(place, install):
    other = place / "photos"
    other.mkdir()
    (other / "face.jpg").touch()

    failed = install(other)

    assert "is not a virtual environment" in failed.stderr
    assert (other / "face.jpg").exists()


def test_each_step_is_named_once(place):
    python = place / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (place / ".venv" / "pyvenv.cfg").touch()
    python.write_text("#!/bin/sh\necho Installing collected packages: a\n")
    python.chmod(0o755)

    installed = subprocess.run(
        ["sh", ROOT / "requirements" / "install.sh", place / ".venv", "embedded"],
        env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    _, *steps = installed.stderr.splitlines()
    assert len(steps) == len(set(steps)) == 2


def test_an_old_python_is_named_with_the_remedy(place, install):
    failed = install(place / ".venv", old=1)

    assert "is not Python 3.11 or newer" in failed.stderr
    assert "PYTHON=python3.12" in failed.stderr
