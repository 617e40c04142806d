"""The behavior that every storage implementation must have."""

from __future__ import annotations

import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from urllib.parse import urlsplit

import pytest

from storage.base import KeyInvalid, NewObject, ObjectExists, ObjectNotFound
from storage.checksums import checksum_file

HOUR = timedelta(hours=1)
MEBIBYTE = 1024 * 1024
ODD_KEY = "results/été/a film, 100% #1+?&=;~.mp4"


@pytest.fixture
def storage(store):
    return store.storage


@pytest.fixture
def write(tmp_path):
    def write(content: bytes, name: str = "source"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def read(storage, key, **limits):
    return b"".join(storage.open(key, **limits))


@pytest.mark.parametrize("size", [0, 1, 1000, 9 * MEBIBYTE])
def test_a_stored_object_reads_back_unchanged(storage, write, tmp_path, size):
    source = write(os.urandom(size))

    stored = storage.put("results/job_1/1.mp4", source, content_type="video/mp4")

    assert stored.key == "results/job_1/1.mp4"
    assert (stored.size_bytes, stored.crc32c) == (size, checksum_file(source).crc32c)
    assert stored.content_type == "video/mp4"
    assert abs(stored.created_at - datetime.now(UTC)) < HOUR
    assert storage.stat(stored.key) == stored
    assert storage.download(stored.key, tmp_path / "copy") == stored
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_the_checksum_equals_googles_crc32c(storage, write):
    stored = storage.put("check", write(b"123456789"), content_type="text/plain")

    assert stored.crc32c == "4waSgw=="


def test_a_taken_key_is_rejected_and_the_object_is_kept(storage, write):
    storage.put("a", write(b"first"), content_type="text/plain")

    with pytest.raises(ObjectExists):
        storage.put("a", write(b"second"), content_type="text/plain")

    assert read(storage, "a") == b"first"


def test_several_files_are_stored_together_with_progress(storage, write):
    video = NewObject("results/job_1/1.mp4", write(b"film", "video"), "video/mp4")
    voice = NewObject("results/job_1/1/voice.wav", write(b"sound", "voice"), "audio/wav")
    sent = []

    stored = storage.put_all([video, voice], sent.append)

    assert [storage.stat(video.key), storage.stat(voice.key)] == stored
    assert [(one.key, one.content_type) for one in stored] == [
        (video.key, video.content_type),
        (voice.key, voice.content_type),
    ]
    assert (read(storage, video.key), read(storage, voice.key)) == (b"film", b"sound")
    assert sent == [4, 9]


def test_several_files_of_which_one_is_refused_are_all_missing(storage, write):
    storage.put("b", write(b"first"), content_type="text/plain")
    new = [NewObject(key, write(b"second", key), "text/plain") for key in ("a", "b", "c")]

    with pytest.raises(ObjectExists):
        storage.put_all(new, lambda _: None)

    assert [one.key for one in storage.list_objects("")] == ["b"]
    assert read(storage, "b") == b"first"


def test_an_upload_of_several_files_that_is_stopped_leaves_none(storage, write):
    def stop(sent):
        if sent == 2:
            raise KeyboardInterrupt

    new = [NewObject(key, write(b"x", key), "text/plain") for key in ("a", "b")]

    with pytest.raises(KeyboardInterrupt):
        storage.put_all(new, stop)

    assert list(storage.list_objects("")) == []


@pytest.mark.parametrize("size", [10, 9 * MEBIBYTE])
def test_exactly_one_of_eight_concurrent_writers_wins(storage, write, size):
    sources = [write(bytes([i]) * size, f"source-{i}") for i in range(8)]
    barrier = Barrier(8)

    def put(i):
        barrier.wait()
        try:
            return i, storage.put("race", sources[i], content_type=f"text/x-{i}")
        except ObjectExists:
            return None

    with ThreadPoolExecutor(8) as pool:
        winners = [done for done in pool.map(put, range(8)) if done]

    ((winner, stored),) = winners
    assert stored == storage.stat("race")
    assert stored.content_type == f"text/x-{winner}"
    assert read(storage, "race") == sources[winner].read_bytes()


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, b"0123456789"),
        ({"start": 3}, b"3456789"),
        ({"end": 3}, b"012"),
        ({"start": 3, "end": 4}, b"3"),
        ({"start": 3, "end": 3}, b""),
        ({"start": 9, "end": 99}, b"9"),
        ({"start": 10}, b""),
        ({"start": 99, "end": 100}, b""),
    ],
)
def test_open_streams_the_requested_range(storage, write, limits, expected):
    storage.put("digits", write(b"0123456789"), content_type="text/plain")

    assert read(storage, "digits", **limits) == expected


@pytest.mark.parametrize("call", ["open", "stat", "download"])
def test_a_missing_object_raises_not_found(storage, tmp_path, call):
    arguments = [tmp_path / "copy"] if call == "download" else []

    with pytest.raises(ObjectNotFound):
        getattr(storage, call)("nothing/here", *arguments)

    assert not (tmp_path / "copy").exists()


def test_delete_is_idempotent_and_frees_the_key(storage, write):
    storage.delete("results/a")
    storage.put("results/a", write(b"first"), content_type="text/plain")
    storage.delete("results/a")
    storage.delete("results/a")

    with pytest.raises(ObjectNotFound):
        storage.stat("results/a")
    storage.put("results/a", write(b"second"), content_type="text/plain")
    assert read(storage, "results/a") == b"second"


def test_objects_are_listed_in_byte_order_of_their_keys(storage, write, request):
    names = ["a/b", "a-b", "a", "b/é", "b/z", "b/😀", "b/￿", "a.b/c", "ab", "B"]
    if "local" in request.node.name:
        names.remove("a")
    for kind, fake in (("[gcs]", "fake"), ("[s3]", "fake_s3")):
        if kind in request.node.name:
            request.getfixturevalue(fake).page_size = 3
    for name in names:
        storage.put(name, write(name.encode()), content_type="text/plain")

    assert [stored.key for stored in storage.list_objects("")] == sorted(names, key=str.encode)
    assert [stored.key for stored in storage.list_objects("b/")] == ["b/z", "b/é", "b/￿", "b/😀"]
    assert [stored.key for stored in storage.list_objects("a.")] == ["a.b/c"]
    assert list(storage.list_objects("nothing/")) == []
    listed, stored = next(storage.list_objects("ab")), storage.stat("ab")
    assert (listed.key, listed.size_bytes) == (stored.key, stored.size_bytes)
    assert abs(listed.created_at - stored.created_at) < timedelta(seconds=1)


@pytest.mark.parametrize(
    "key",
    [
        *["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\0b", "a\nb", "a\\b"],
        *["x" * 201, "x/" * 256 + "x", "\ud800", "a.kinomill-record", "a.kinomill-record/b"],
    ],
)
def test_every_method_rejects_an_invalid_key(storage, write, tmp_path, key):
    calls = [
        lambda: storage.put(key, write(b""), content_type="text/plain"),
        lambda: storage.open(key),
        lambda: storage.stat(key),
        lambda: storage.download(key, tmp_path / "copy"),
        lambda: storage.delete(key),
        lambda: storage.signed_url(key, ttl=HOUR, now=datetime.now(UTC), filename="a"),
    ]

    for call in calls:
        with pytest.raises(KeyInvalid):
            call()


@pytest.mark.parametrize("prefix", ["../", "/", "a/../b", "a\0"])
def test_an_invalid_prefix_is_rejected(storage, prefix):
    with pytest.raises(KeyInvalid):
        list(storage.list_objects(prefix))


def test_a_signed_link_works_until_it_expires(store, write):
    store.storage.put(ODD_KEY, write(b"film"), content_type="video/mp4")

    link = store.storage.signed_url(
        ODD_KEY, ttl=HOUR, now=datetime.now(UTC), filename='mon "été" 100%.mp4'
    )

    assert store.open_link(link, timedelta()) == "film"
    assert store.open_link(link, HOUR * 2) == "LinkExpired"


@pytest.mark.parametrize("part", ["key", "filename", "expires", "signature"])
def test_an_altered_link_is_invalid(store, write, part):
    store.storage.put("results/a.mp4", write(b"film"), content_type="video/mp4")
    store.storage.put("results/b.mp4", write(b"other"), content_type="video/mp4")
    link = store.storage.signed_url(
        "results/a.mp4", ttl=HOUR, now=datetime.now(UTC), filename="one.mp4"
    )

    altered = alter(link, part)

    assert altered != link
    assert store.open_link(altered, timedelta()) == "LinkInvalid"


def alter(link, part):
    if part == "key":
        return link.replace("a.mp4", "b.mp4", 1)
    if part == "filename":
        return link.replace("one.mp4", "two.mp4")
    names = (f"X-Goog-{part.title()}=", f"X-Amz-{part.title()}=", f"{part}=")
    name = next(n for n in names if n in link)
    start = link.index(name) + len(name)
    return f"{link[:start]}{'2' if link[start] != '2' else '3'}{link[start + 1 :]}"


def test_keys_may_contain_unicode_and_spaces(storage, write):
    storage.put(ODD_KEY, write(b"film"), content_type="video/mp4")

    assert read(storage, ODD_KEY) == b"film"
    assert [stored.key for stored in storage.list_objects("results/été/")] == [ODD_KEY]
    link = storage.signed_url(ODD_KEY, ttl=HOUR, now=datetime.now(UTC), filename="a")
    assert urlsplit(link).path.isascii()


def test_memory_use_does_not_grow_with_the_object(storage, write, tmp_path):
    source = write(os.urandom(MEBIBYTE) * 30)
    storage.put("small", write(b"warm", "warm"), content_type="text/plain")

    tracemalloc.start()
    storage.put("large", source, content_type="video/mp4")
    storage.download("large", tmp_path / "copy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert checksum_file(tmp_path / "copy").crc32c == checksum_file(source).crc32c
    assert peak < 25 * MEBIBYTE, peak


def test_a_missing_source_file_raises_file_not_found(storage, tmp_path):
    with pytest.raises(FileNotFoundError):
        storage.put("a", tmp_path / "nothing", content_type="text/plain")
