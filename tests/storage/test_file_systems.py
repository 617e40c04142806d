"""The local store on file systems that lack hard links or file locks."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest

from storage.base import ObjectExists, StorageError
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
