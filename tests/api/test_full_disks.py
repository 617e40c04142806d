"""A full store and a full disk of the API are told apart, with who has to act."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time

import pytest

from api.context.scratch_folder import ScratchFolder
from runtime.files import ScratchUnwritable
from storage import disk
from storage.base import StorageDenied
from storage.local.store import LocalStorage
from storage.upload import FileUpload
from tests.api.build import MODEL, png, problem, wav

FILES = {"image": png(), "audio": wav()}


class FullFile:
    """A file on a disk without space, as the kernel reports it."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, _):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def full(monkeypatch):
    create = disk.create_private
    monkeypatch.setattr(disk, "create_private", lambda path: FullFile(create(path)))


def post(client):
    return client.post("/v1/jobs", data={"model": MODEL}, files=FILES)


def test_a_full_store_is_told_as_one(client, full, stored):
    response = post(client)

    answer = problem(response, 507, "storage_full")
    assert answer["retryable"]
    assert "operator" in answer["detail"]
    assert response.headers["retry-after"] == "60"
    assert stored() == []


def test_a_full_disk_of_the_api_is_told_as_one(client, full, monkeypatch, tmp_path):
    monkeypatch.setattr(
        LocalStorage, "begin", lambda *_, **__: FileUpload(tmp_path, lambda *_: None)
    )

    response = post(client)

    assert "KINOMILL_SCRATCH" in problem(response, 507, "server_disk_full")["detail"]
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_refuses_is_not_told_as_silent(client, monkeypatch):
    def refuse(*_, **__):
        raise StorageDenied("no rights")

    monkeypatch.setattr(LocalStorage, "begin", refuse)

    answer = problem(post(client), 503, "storage_unavailable")

    assert not answer["retryable"]
    assert "doctor" in answer["detail"]


def test_a_refused_submission_leaves_no_partial_file(client, stored, store):
    files = FILES | {"image": b"no image"}

    problem(client.post("/v1/jobs", data={"model": MODEL}, files=files), 422, "unsupported_media")

    assert stored() == []
    assert list((store / "partial").iterdir()) == []


def test_the_folder_of_a_killed_api_is_deleted_at_the_next_start(tmp_path):
    code = (
        "import os, pathlib, sys\n"
        "from api.context.scratch_folder import ScratchFolder\n"
        "(ScratchFolder(pathlib.Path(sys.argv[1])).path / 'upload').write_bytes(b'x')\n"
        "os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    [left] = tmp_path.iterdir()
    used = ScratchFolder(tmp_path)
    assert left.exists(), "it may be new"
    long_ago = time.time() - 3600
    for folder in (left, used.path):
        os.utime(folder, (long_ago, long_ago))

    ScratchFolder(tmp_path)

    assert list(tmp_path.iterdir()) == [used.path]
    used.close()
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_folder_that_is_deleted_is_created_again(tmp_path):
    folder = ScratchFolder(tmp_path)
    folder.path.rmdir()

    assert folder.path.is_dir()

    folder.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["missing", "a file"])
def test_a_scratch_folder_that_cannot_be_created_is_unwritable(tmp_path, place):
    (tmp_path / "a file").touch()

    with pytest.raises(ScratchUnwritable):
        _ = ScratchFolder(tmp_path / place).path
