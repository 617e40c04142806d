"""A partial file and its journal: what a later process can resume from."""

from __future__ import annotations

import os

import pytest

from weights.download import journal
from weights.download.journal import ContentId, Journal
from weights.download.partial import Partial, unallocated_bytes
from weights.errors import PullStopped

MIB = 1024 * 1024
CONTENT = ContentId(size=1000, content="ab" * 32)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.part"
    path.write_bytes(bytes(1000))
    return path


def write_journal(path, *ranges, boot="this-boot", synced=False):
    opened = Journal(path, CONTENT, boot=boot)
    for written in ranges:
        opened.written(*written)
    if synced:
        opened.synced(opened.mark())
    opened.close()


def test_a_new_process_resumes_from_what_was_written(path):
    write_journal(path, (0, 10), (50, 60))
    write_journal(path, (10, 20))

    assert journal.read(path, boot="this-boot") == (CONTENT, [(0, 10), (50, 60), (10, 20)])


def test_after_a_reboot_only_synced_ranges_count(path):
    write_journal(path, (0, 10), synced=True)
    write_journal(path, (10, 20))

    assert journal.read(path, boot="next-boot")[1] == [(0, 10)]


def test_ranges_after_the_mark_of_a_sync_do_not_count_as_synced(path):
    opened = Journal(path, CONTENT, boot="this-boot")
    opened.written(0, 10)
    mark = opened.mark()
    opened.written(10, 20)
    opened.synced(mark)
    opened.close()

    assert journal.read(path, boot="next-boot")[1] == [(0, 10)]


@pytest.mark.parametrize(
    "torn", [b"written 20 9", b"written", b"\xff\xfe", b"written 5 x\nsynced 99999"]
)
def test_a_torn_line_is_skipped(path, torn):
    write_journal(path, (0, 10))
    with journal.path_of(path).open("ab") as file:
        file.write(torn)
    write_journal(path, (30, 40))

    assert journal.read(path, boot="this-boot")[1][0::2] in ([(0, 10), (30, 40)], [(0, 10)])
    assert journal.read(path, boot="this-boot")[1][-1] == (30, 40)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[1]\n", b'{"size": 999, "content": "x"}\n', b"\0\0\n"]
)
def test_an_invalid_journal_counts_for_nothing(path, text):
    journal.path_of(path).write_bytes(text)

    assert journal.read(path) == (None, [])


def test_a_journal_without_its_partial_file_counts_for_nothing(path):
    write_journal(path, (0, 10))
    path.unlink()

    assert journal.done_bytes(path) == 0


def test_a_partial_file_of_other_content_is_discarded(path):
    write_journal(path, (0, 1000))

    partial = Partial(path, ContentId(size=1000, content="another"))
    partial.close()

    assert partial.written == []
    assert journal.done_bytes(path) == 0


def test_nothing_is_written_to_a_closed_partial_file(path):
    partial = Partial(path, CONTENT)
    partial.write(memoryview(b"good"), 0)
    partial.close()
    number = os.dup(1)  # the next file that is opened may get the same number
    try:
        with pytest.raises(PullStopped):
            partial.write(memoryview(b"evil"), 0)
    finally:
        os.close(number)

    assert path.read_bytes()[:4] == b"good"


@pytest.mark.parametrize("mmap_works", [True, False])
def test_written_bytes_are_fed_to_the_hash_with_and_without_mmap(path, monkeypatch, mmap_works):
    content = os.urandom(1000)
    partial = Partial(path, CONTENT)
    partial.write(memoryview(content), 0)
    if not mmap_works:  # a kernel before 5.14
        monkeypatch.setattr("weights.download.partial._POPULATE_READ", 9999)
    fed = []

    partial.feed(lambda chunk: fed.append(bytes(chunk)), 3, 997)
    partial.close()

    assert b"".join(fed) == content[3:997]


def test_unallocated_bytes_count_while_a_partial_file_is_being_written(path):
    os.truncate(path, 10 * MIB)
    growing = unallocated_bytes(path)
    os.utime(path, (0, 0))

    assert growing > 9 * MIB
    assert unallocated_bytes(path) == 0
    assert unallocated_bytes(path.with_name("none")) == 0
