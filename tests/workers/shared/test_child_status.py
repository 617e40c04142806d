"""The status file: the parent reads what the child writes, also after the child's end."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

from structlog.testing import capture_logs

from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from workers.shared import child_status
from workers.shared.child_status import ChildStatus, ChildStatusFile


def test_the_parent_reads_what_the_child_writes(tmp_path):
    child = ChildStatusFile(tmp_path)
    child.write()
    child.set_model("tiny", WeightsStatus(state=WeightsState.LOADING, done_bytes=1))
    child.count_eviction()

    note = child_status.read(tmp_path)

    assert note.alive
    assert (note.pid, note.evictions) == (os.getpid(), 1)
    assert note.models == {"tiny": WeightsStatus(state=WeightsState.LOADING, done_bytes=1)}


def test_progress_is_not_written_each_time_but_a_new_state_is(tmp_path):
    child = ChildStatusFile(tmp_path)
    for done in range(100):
        child.set_model("tiny", WeightsStatus(state=WeightsState.LOADING, done_bytes=done))
    between = child_status.read(tmp_path).models["tiny"].done_bytes
    child.set_model("tiny", WeightsStatus(state=WeightsState.LOADED))

    assert between < 99
    assert child_status.read(tmp_path).models["tiny"].state is WeightsState.LOADED


def test_an_ended_child_is_not_alive():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    assert not ChildStatus(pid=process.pid).alive


def test_a_missing_or_invalid_file_is_none(tmp_path):
    assert child_status.read(tmp_path) is None
    (tmp_path / "child.json").write_text("{}")
    assert child_status.read(tmp_path) is None


def test_the_folder_is_private_and_empty_at_first(monkeypatch, tmp_path):
    monkeypatch.setattr(child_status.tempfile, "gettempdir", lambda: str(tmp_path))
    left = child_status.create_folder(7) / "child.json"
    left.touch()

    folder = child_status.create_folder(7)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not left.exists()


def test_only_folders_of_killed_workers_are_removed(monkeypatch, tmp_path):
    monkeypatch.setattr(child_status.tempfile, "gettempdir", lambda: str(tmp_path))
    in_use = child_status.create_folder(7)
    killed, fresh = (child_status.folder_of(pid) for pid in (8, 9))
    for folder in (killed, fresh):
        folder.mkdir()
    for folder in (in_use, killed):
        os.utime(folder, (0, 0))

    child_status.create_folder(10)

    assert [folder.exists() for folder in (in_use, killed, fresh)] == [True, False, True]


def test_a_child_writes_nothing_if_its_parent_has_no_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(child_status.tempfile, "gettempdir", lambda: str(tmp_path))

    child_status.for_parent(7).write()

    assert list(tmp_path.iterdir()) == []
    child_status.create_folder(7)
    child_status.for_parent(7).write()
    assert child_status.read(child_status.folder_of(7)).pid == os.getpid()


def test_a_file_that_cannot_be_written_is_a_warning(tmp_path):
    with capture_logs() as logs:
        ChildStatusFile(tmp_path / "gone").write()

    assert [entry["log_level"] for entry in logs] == ["warning"]
