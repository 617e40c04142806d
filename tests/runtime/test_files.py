"""Helpers for files: flushing, hashing, and folders that a dead process left."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time

import pytest

from runtime.files import fsync_file, fsync_folder, is_abandoned, lock_folder, sha256_file


def refuse(code):
    def fsync(*_):
        raise OSError(code, os.strerror(code))

    return fsync


def test_a_file_and_its_folder_are_flushed(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    path = tmp_path / "file"
    path.write_bytes(b"bytes")

    fsync_file(path)
    fsync_folder(tmp_path)

    assert flushed == [path.stat().st_ino, tmp_path.stat().st_ino]


def test_a_file_system_that_cannot_flush_folders_is_accepted(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))

    fsync_folder(tmp_path)


@pytest.mark.parametrize("flush", [fsync_file, fsync_folder])
def test_a_failing_disk_is_reported(tmp_path, monkeypatch, flush):
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))

    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        flush(tmp_path)


def test_the_sha256_of_a_file_is_that_of_its_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)

    assert sha256_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_folder_is_abandoned_once_nobody_holds_its_lock(tmp_path):
    descriptor = lock_folder(tmp_path)
    while_locked = is_abandoned(tmp_path, min_age_seconds=0, now=time.time() + 60)
    os.close(descriptor)

    assert not while_locked
    assert is_abandoned(tmp_path, min_age_seconds=0, now=time.time() + 60)


def test_a_folder_that_was_created_a_moment_ago_is_not_abandoned(tmp_path):
    assert not is_abandoned(tmp_path, min_age_seconds=60)


def test_a_missing_folder_and_a_link_to_one_are_not_abandoned(tmp_path):
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    later = time.time() + 120

    assert not is_abandoned(tmp_path / "missing", min_age_seconds=60, now=later)
    assert not is_abandoned(link, min_age_seconds=60, now=later)


def test_a_folder_is_not_abandoned_where_there_are_no_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOLCK))

    assert not is_abandoned(tmp_path, min_age_seconds=0, now=time.time() + 10)
