"""Scratch folders are removed with their attempt, even if it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from workers.child.scratch import MIN_AGE_SECONDS, PREFIX, scratch_folder, sweep

DIE_IN_A_SCRATCH_FOLDER = f"""
import os, signal
from pathlib import Path
from workers.child.scratch import scratch_folder
with scratch_folder(Path({{root!r}})) as folder:
    (folder / "input").write_text("a face")
    os.kill(os.getpid(), signal.{signal.SIGKILL.name})
"""


def test_a_scratch_folder_is_private_and_removed_at_the_end(tmp_path):
    with scratch_folder(tmp_path) as folder:
        (folder / "input").write_text("a face")
        assert folder.stat().st_mode & 0o777 == 0o700

    assert list(tmp_path.iterdir()) == []


def test_a_scratch_folder_is_removed_after_an_error(tmp_path):
    with pytest.raises(KeyError), scratch_folder(tmp_path):
        raise KeyError

    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_process_is_swept_but_not_that_of_a_running_one(tmp_path):
    program = DIE_IN_A_SCRATCH_FOLDER.format(root=str(tmp_path))
    killed = subprocess.run([sys.executable, "-c", program], check=False)
    [left] = tmp_path.iterdir()

    with scratch_folder(tmp_path) as living:
        swept = sweep(tmp_path, now=time.time() + 2 * MIN_AGE_SECONDS)

        assert living.exists()
    assert killed.returncode == -signal.SIGKILL
    assert swept == [left.name]


def test_a_new_folder_is_not_swept(tmp_path):
    (tmp_path / f"{PREFIX}new").mkdir()

    assert sweep(tmp_path) == []


def test_the_next_attempt_removes_the_folder_of_a_killed_one(tmp_path):
    left = tmp_path / f"{PREFIX}left"
    left.mkdir()
    os.utime(left, (0, 0))

    with scratch_folder(tmp_path):
        assert not left.exists()


def test_links_and_files_are_not_swept(tmp_path):
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f"{PREFIX}file").write_text("a file")
    (tmp_path / "elsewhere").mkdir()

    assert sweep(tmp_path, now=time.time() + 2 * MIN_AGE_SECONDS) == []
