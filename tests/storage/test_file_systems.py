"""The local store on file systems that lack hard links or file locks."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest

from storage.base import ObjectExists, StorageDenied, StorageError
from storage.local.store import LocalStorage


def test_a_file_system_without_hard_links_is_used(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    storage = LocalStorage(tmp_path / "store", public_url="http://api", secret=b"s" * 32)
    source = tmp_path / "source"
    source.write_bytes(b"first")
    storage.put("jobs/a", source, content_type="text/plain")

    with pytest.raises(ObjectExists):
        storage.put("jobs/a", source, content_type="text/plain")

    assert b"".join(storage.open("jobs/a")) == b"first"
    assert source.exists()


def test_a_file_system_without_locks_is_named_with_the_setting(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    storage = LocalStorage(tmp_path / "store", public_url="http://api", secret=b"s" * 32)
    (tmp_path / "source").write_bytes(b"x")

    with pytest.raises(StorageError, match=r"no file locks .*KINOMILL_STORAGE"):
        storage.put("jobs/a", tmp_path / "source", content_type="text/plain")


@pytest.mark.parametrize("place", ["", "objects", "partial", "locks", "uploads"])
def test_a_file_in_place_of_a_folder_is_for_the_operator_until_it_is_gone(tmp_path, place):
    storage = LocalStorage(tmp_path / "store", public_url="http://api", secret=b"s" * 32)
    (tmp_path / "source").write_bytes(b"x")
    misplaced = tmp_path / "store" / place
    misplaced.parent.mkdir(exist_ok=True)
    misplaced.touch()

    def write():
        with storage.uploads.appending("file_1") as file:
            file.write(b"x")
        storage.put("jobs/a", tmp_path / "source", content_type="text/plain")

    with pytest.raises(StorageDenied, match="Not a directory"):
        write()
    misplaced.unlink()
    write()

    assert b"".join(storage.open("jobs/a")) == b"x"


def test_an_upload_in_pieces_needs_locks_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    storage = LocalStorage(tmp_path / "store", public_url="http://api", secret=b"s" * 32)

    with (
        pytest.raises(StorageError, match=r"no file locks .*KINOMILL_STORAGE"),
        storage.uploads.appending("file_1"),
    ):
        pass
