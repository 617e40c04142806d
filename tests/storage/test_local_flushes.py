"""How often the local store flushes to disk: what a short job waits for most of its time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from storage import disk
from storage.base import NewObject, ObjectCorrupted, ObjectNotFound
from storage.local.store import LocalStorage
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


@pytest.fixture(params=[True, False])
def attributes(request, source):
    """Whether the file system has extended attributes."""
    if not request.param:
        request.getfixturevalue("no_attributes")
    descriptor = os.open(source, os.O_WRONLY)
    has_them = disk.set_attribute(descriptor, b"")
    os.close(descriptor)
    return has_them


def record_of(key, attributes):
    """What is flushed for the record: nothing, if the flush of the object holds it."""
    return [] if attributes else [f"objects/{key}{RECORD_SUFFIX}"]


def test_a_put_flushes_the_file_its_record_and_each_changed_folder_once(
    local, root, source, flushed, attributes
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
    record = record_of("results/2/a", attributes)
    assert first[1:] == ["objects/results", *record, "objects/results/2"]
    assert second[1:] == [*record_of("results/2/b", attributes), "objects/results/2"]


def test_files_put_together_flush_their_folder_once(local, root, source, flushed, attributes):
    local.put("results/0/a", source, content_type="text/plain")
    flushed.clear()

    local.put_all([NewObject(f"results/1/{name}", source, "text/plain") for name in "ab"])

    names = [path.relative_to(root).as_posix() for path in flushed]
    first, second = (record_of(f"results/1/{name}", attributes) for name in "ab")
    assert all(name.startswith("partial/") for name in names[:2])
    assert names[2:] == ["objects/results", *first, *second, "objects/results/1"]


@pytest.mark.parametrize("damage", [None, b"", b'{"half'])
def test_a_record_that_a_power_loss_has_damaged_is_that_of_the_attribute(
    local, root, source, attributes, damage
):
    stored = local.put("results/a", source, content_type="text/plain")
    record = root / f"objects/results/a{RECORD_SUFFIX}"
    record.unlink() if damage is None else record.write_bytes(damage)

    if attributes:
        assert local.stat("results/a") == stored
        assert list(local.list_objects("")) == [stored]
        local.delete("results/a")
    with pytest.raises((ObjectNotFound, ObjectCorrupted)):
        local.stat("results/a")


def test_a_copy_of_an_object_by_hand_is_no_object(local, root, source):
    local.put("a", source, content_type="text/plain")
    shutil.copy2(root / "objects/a", root / "objects/b")  # with its attributes

    with pytest.raises(ObjectNotFound):
        local.stat("b")
    assert [stored.key for stored in local.list_objects("")] == ["a"]
