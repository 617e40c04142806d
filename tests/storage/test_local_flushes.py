"""How often the local store flushes to disk: what a short job waits for most of its time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage.base import NewObject
from storage.local import LocalStorage
from storage.object_keys import RECORD_SUFFIX


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def local(root):
    return LocalStorage(root, public_url="", secret=b"")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def flushed(monkeypatch):
    """The files and folders that were flushed, in order."""

    def flush(descriptor):
        paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    paths, fsync = [], os.fsync
    monkeypatch.setattr("os.fsync", flush)
    return paths


def test_a_put_flushes_the_file_its_record_and_each_changed_folder_once(
    local, root, source, flushed
):
    """More flushes are what a short job would wait for; fewer would lose it in a power loss."""

    local.put("results/0/a", source, content_type="text/plain")
    local.put("results/1/a", source, content_type="text/plain")
    flushed.clear()

    local.put("results/2/a", source, content_type="text/plain")
    first = [path.relative_to(root).as_posix() for path in flushed]
    flushed.clear()
    local.put("results/2/b", source, content_type="text/plain")
    second = [path.relative_to(root).as_posix() for path in flushed]

    assert first[0].startswith("partial/")
    assert sorted(first[1:]) == [
        "objects/results",
        "objects/results/2",
        f"objects/results/2/a{RECORD_SUFFIX}",
    ]
    assert second[1:] == [f"objects/results/2/b{RECORD_SUFFIX}", "objects/results/2"]


def test_files_put_together_flush_their_folder_once(local, root, source, flushed):
    local.put("results/0/a", source, content_type="text/plain")
    flushed.clear()

    local.put_all([NewObject(f"results/1/{name}", source, "text/plain") for name in "ab"])

    names = [path.relative_to(root).as_posix() for path in flushed]
    assert [name.startswith("partial/") for name in names] == [True] * 2 + [False] * 4
    assert sorted(names[2:5]) == [
        "objects/results",
        f"objects/results/1/a{RECORD_SUFFIX}",
        f"objects/results/1/b{RECORD_SUFFIX}",
    ]
    assert names[5] == "objects/results/1"
