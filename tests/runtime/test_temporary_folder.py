"""Temporary folders are removed with their user, or by the next one if that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from runtime.temporary_folder import MIN_AGE_SECONDS, TemporaryFolder, sweep

PREFIX = "kinomill-test-"
DIE = """
import os, signal, sys
from pathlib import Path
from runtime.temporary_folder import TemporaryFolder
with TemporaryFolder(sys.argv[1], Path(sys.argv[2])) as folder:
    (folder / "file").write_text("content")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def age(folder):
    long_ago = time.time() - 2 * MIN_AGE_SECONDS
    os.utime(folder, (long_ago, long_ago))


def test_a_folder_is_private_and_removed_at_the_end(tmp_path):
    with TemporaryFolder(PREFIX, tmp_path) as folder:
        (folder / "file").write_text("content")
        mode = folder.stat().st_mode & 0o777

    assert mode == 0o700
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_removed_after_an_error(tmp_path):
    with pytest.raises(KeyError), TemporaryFolder(PREFIX, tmp_path):
        raise KeyError

    assert list(tmp_path.iterdir()) == []


def test_the_next_folder_removes_that_of_a_killed_process(tmp_path):
    killed = subprocess.run([sys.executable, "-c", DIE, PREFIX, str(tmp_path)], check=False)
    [left] = tmp_path.iterdir()
    age(left)

    with TemporaryFolder(PREFIX, tmp_path) as folder:
        found = list(tmp_path.iterdir())

    assert killed.returncode == -signal.SIGKILL
    assert found == [folder]


def test_folders_in_use_new_ones_and_those_of_others_are_not_swept(tmp_path):
    other, new = tmp_path / "other-left", tmp_path / f"{PREFIX}new"
    other.mkdir()
    new.mkdir()
    age(other)
    with TemporaryFolder(PREFIX, tmp_path) as used:
        age(used)

        assert sweep(tmp_path, PREFIX) == []
        assert {*tmp_path.iterdir()} == {other, new, used}
