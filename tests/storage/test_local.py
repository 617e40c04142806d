"""Behavior of the local store only: folders, crashes, full disks and links to the API."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from urllib.parse import parse_qs, urlsplit

import pytest

from storage import disk
from storage.base import (
    KeyInvalid,
    LinkExpired,
    LinkInvalid,
    ObjectCorrupted,
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageFull,
)
from storage.factory import storage_from_uri
from storage.local.store import LocalStorage
from storage.object_keys import RECORD_SUFFIX
from storage.signed_links import content_disposition, sanitize_filename

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

PUT = """
import sys
from pathlib import Path
from storage.base import ObjectExists
from storage.local.store import LocalStorage

root, source, kind = sys.argv[1:]
storage = LocalStorage(Path(root), public_url="", secret=b"")
sys.stdin.readline()
try:
    storage.put("race", Path(source), content_type=kind)
except ObjectExists:
    sys.exit(3)
"""


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(b"0123456789" * 1000)
    return path


def put_in_a_process(root, source, kind):
    command = [sys.executable, "-c", PUT, str(root), str(source), kind]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_exactly_one_of_several_processes_wins(local, root, tmp_path):
    writers = []
    for i in range(5):
        (tmp_path / f"{i}").write_bytes(bytes([i]) * 3_000_000)
        writers.append(put_in_a_process(root, tmp_path / f"{i}", f"text/x-{i}"))

    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    codes = [writer.wait(60) for writer in writers]

    assert sorted(codes) == [0, 3, 3, 3, 3]
    winner = codes.index(0)
    assert local.stat("race").content_type == f"text/x-{winner}"
    assert b"".join(local.open("race")) == bytes([winner]) * 3_000_000
    assert files_below(root / "partial") == []


def test_the_sweep_deletes_what_a_killed_writer_left(local, root, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    pipe = os.open(fifo, os.O_RDWR)
    deadline = monotonic() + 30
    with put_in_a_process(root, fifo, "text/plain") as writer:
        writer.stdin.write(b"go\n")
        writer.stdin.close()
        while not files_below(root / "partial"):
            assert writer.poll() is None
            assert monotonic() < deadline
        writer.send_signal(signal.SIGKILL)
    os.close(pipe)
    now = datetime.now(UTC)

    assert list(local.list_objects("")) == []
    assert local.sweep_partials(older_than=HOUR, now=now) == 0
    assert local.sweep_partials(older_than=HOUR, now=now + HOUR * 2) == 1
    assert files_below(root / "partial") == []
    local.put("race", Path(__file__), content_type="text/plain")


def test_a_sweep_of_an_empty_store_deletes_nothing(local):
    assert local.sweep_partials(older_than=HOUR, now=NOW) == 0


def test_a_full_disk_raises_storage_full_and_leaves_nothing(local, root, source, monkeypatch):
    with Path("/dev/full").open("wb", 0) as full:
        monkeypatch.setattr("storage.disk.create_private", lambda _: full)
        with pytest.raises(StorageFull) as caught:
            local.put("a", source, content_type="text/plain")

    assert caught.value.retryable
    assert files_below(root / "objects") == []


def test_a_disk_that_is_full_for_the_record_leaves_nothing(local, root, source, monkeypatch):
    def create(path):
        return Path("/dev/full").open("wb", 0) if path.name == f"a{RECORD_SUFFIX}" else opened(path)

    opened = disk.create_private
    monkeypatch.setattr("storage.disk.create_private", create)

    with pytest.raises(StorageFull):
        local.put("results/a", source, content_type="text/plain")

    assert list((root / "objects").glob("*")) == []
    assert files_below(root / "partial") == []


def test_a_record_without_an_object_does_not_hinder_a_later_writer(local, root, source):
    (root / "objects").mkdir(mode=0o700, parents=True)
    (root / f"objects/a{RECORD_SUFFIX}").write_bytes(b'{"half')

    with pytest.raises(ObjectNotFound):
        local.stat("a")
    stored = local.put("a", source, content_type="text/plain")

    assert list(local.list_objects("")) == [stored]


def test_a_root_that_is_a_file_is_for_the_operator(tmp_path, source):
    (tmp_path / "file").touch()
    storage = LocalStorage(tmp_path / "file", public_url="", secret=b"")

    with pytest.raises(StorageDenied):
        storage.put("a", source, content_type="text/plain")
    with pytest.raises(ObjectNotFound):
        storage.stat("a")


def test_files_and_folders_are_private(local, root, source):
    local.put("results/a", source, content_type="text/plain")

    for path in [root, *root.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


def test_a_new_instance_finds_the_stored_objects(local, root, source):
    stored = local.put("results/a.mp4", source, content_type="video/mp4")

    again = LocalStorage(root, public_url="http://other", secret=b"other")

    assert again.stat("results/a.mp4") == stored
    assert (root / "objects/results/a.mp4").read_bytes() == source.read_bytes()


def test_delete_removes_only_empty_folders(local, root, source):
    for key in ("results/1/a", "results/2/b"):
        local.put(key, source, content_type="text/plain")

    local.delete("results/1/a")
    assert [path.name for path in (root / "objects/results").iterdir()] == ["2"]

    local.delete("results/2/b")
    assert list((root / "objects").glob("*")) == []


def test_a_key_that_nests_with_an_existing_key_is_rejected(local, source):
    local.put("a/b", source, content_type="text/plain")

    for key in ("a/b/c", "a/b/c/d", "a"):
        with pytest.raises(KeyInvalid):
            local.put(key, source, content_type="text/plain")
    with pytest.raises(ObjectNotFound):
        local.stat("a/b/c")
    for key in ("a", "a/b/c"):
        local.delete(key)
    assert [stored.key for stored in local.list_objects("")] == ["a/b"]
    assert list(local.list_objects("a/b/")) == []


def test_a_truncated_object_is_detected(local, root, source, tmp_path):
    local.put("a", source, content_type="text/plain")
    (root / "objects/a").write_bytes(b"short")

    with pytest.raises(ObjectCorrupted):
        local.stat("a")


def test_a_changed_object_is_not_downloaded(local, root, source, tmp_path):
    local.put("a", source, content_type="text/plain")
    (root / "objects/a").write_bytes(b"x" * source.stat().st_size)

    with pytest.raises(ObjectCorrupted):
        local.download("a", tmp_path / "copy")

    assert [path.name for path in tmp_path.glob("*copy*")] == []


def test_a_damaged_record_is_detected(local, root, source, no_attributes):
    local.put("a", source, content_type="text/plain")
    record = root / f"objects/a{RECORD_SUFFIX}"

    for damage in (b"", b"{}", b"[1]", b'{"created_at": 3}', b"\xff"):
        record.write_bytes(damage)
        with pytest.raises(ObjectCorrupted):
            local.stat("a")


def test_a_file_without_a_record_is_not_an_object(local, root, source):
    local.put("a", source, content_type="text/plain")
    (root / "objects/by hand").write_bytes(b"x")
    (root / "objects" / os.fsdecode(b"not \xff unicode")).write_bytes(b"x")

    assert [stored.key for stored in local.list_objects("")] == ["a"]
    with pytest.raises(ObjectExists):
        local.put("by hand", source, content_type="text/plain")


def test_an_object_deleted_before_reading_raises_not_found(local, source):
    local.put("a", source, content_type="text/plain")
    pieces = local.open("a")
    local.delete("a")

    with pytest.raises(ObjectNotFound):
        next(pieces)


def test_concurrent_puts_and_deletes_lose_no_folder(local, source):
    def churn(name):
        for _ in range(15):
            local.put(f"deep/er/{name}", source, content_type="text/plain")
            local.delete(f"deep/er/{name}")

    threads = [threading.Thread(target=churn, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    local.put("deep/er/last", source, content_type="text/plain")
    assert [stored.key for stored in local.list_objects("")] == ["deep/er/last"]


def parts_of(link):
    query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    return query | {"expires": int(query["expires"]), "now": NOW}


def test_the_signed_link_is_the_route_of_the_api(local, source):
    local.put("results/a b.mp4", source, content_type="video/mp4")

    link = local.signed_url("results/a b.mp4", ttl=HOUR, now=NOW, filename="my film.mp4")

    assert link.startswith("http://api.test/storage/results/a%20b.mp4?expires=1795179600&")
    assert "filename=my%20film.mp4" in link
    path = local.verify_link("results/a b.mp4", **parts_of(link))
    assert path.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"now": NOW + HOUR - timedelta(seconds=1)}, None),
        ({"now": NOW + HOUR}, LinkExpired),
        ({"expires": 9_999_999_999}, LinkInvalid),
        ({"filename": "b.mp4"}, LinkInvalid),
        ({"signature": ""}, LinkInvalid),
        ({"signature": "é"}, LinkInvalid),
        ({"signature": "\ud800"}, LinkInvalid),
        ({"filename": "\ud800"}, LinkInvalid),
        ({"filename": "b.mp4", "now": NOW + HOUR * 2}, LinkInvalid),
    ],
)
def test_each_part_of_a_link_is_verified(local, source, change, error):
    local.put("a", source, content_type="text/plain")
    parts = parts_of(local.signed_url("a", ttl=HOUR, now=NOW, filename="a.mp4")) | change

    if error is None:
        assert local.verify_link("a", **parts)
    else:
        with pytest.raises(error):
            local.verify_link("a", **parts)


def test_a_link_signed_with_another_secret_or_for_another_key_is_invalid(local, root, source):
    other = LocalStorage(root, public_url="http://api.test", secret=b"other")
    local.put("a", source, content_type="text/plain")
    parts = parts_of(other.signed_url("a", ttl=HOUR, now=NOW, filename="a.mp4"))

    for key in ("a", "../../etc/passwd", "a\0"):
        with pytest.raises(LinkInvalid):
            local.verify_link(key, **parts)


def test_a_link_to_a_deleted_object_raises_not_found(local, source):
    local.put("a", source, content_type="text/plain")
    parts = parts_of(local.signed_url("a", ttl=HOUR, now=NOW, filename="a.mp4"))
    local.delete("a")

    with pytest.raises(ObjectNotFound):
        local.verify_link("a", **parts)


@pytest.mark.parametrize(
    ("filename", "fit"),
    [
        ("film.mp4", "film.mp4"),
        ("../../x", ".._.._x"),
        ('a"b\r\nc', "a_b__c"),
        ("", "download"),
        ("\0", "_"),
        ("x" * 300, "x" * 150),
        ("\ud800é", "_é"),
    ],
)
def test_a_filename_is_sanitized(filename, fit):
    assert sanitize_filename(filename) == fit
    assert content_disposition(filename).isascii()
    assert "\n" not in content_disposition(filename)


@pytest.mark.parametrize("uri", ["{}", "file://{}"])
def test_a_file_uri_names_a_directory(tmp_path, source, uri):
    storage = storage_from_uri(uri.format(tmp_path / "st ore"), public_url="http://a", secret=b"s")

    storage.put("a", source, content_type="text/plain")

    assert (tmp_path / "st ore/objects/a").is_file()


@pytest.mark.parametrize("uri", ["", "ftp://bucket", "file://host/folder", "file://", "http://a/b"])
def test_any_other_uri_is_rejected(uri):
    with pytest.raises(ValueError, match="storage must be"):
        storage_from_uri(uri, public_url="", secret=b"")
