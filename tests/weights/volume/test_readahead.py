from __future__ import annotations

import os
import threading

import pytest

from weights.volume import readahead
from weights.volume.readahead import read_ahead, reading_ahead

CONTENT = os.urandom(3 * 1024 * 1024 + 17)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "blobs" / "model.safetensors"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def small_spans(monkeypatch):
    monkeypatch.setattr(readahead, "SPAN_BYTES", 1024 * 1024)


def cold(path):
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def is_cached(path):
    buffer = bytearray(CONTENT)
    with path.open("rb") as file:
        try:
            return os.preadv(file.fileno(), [buffer], 0, os.RWF_NOWAIT) == len(CONTENT)
        except BlockingIOError:
            return False
        except OSError:
            return pytest.skip("this file system does not report what is cached")


def test_all_bytes_are_read_into_the_page_cache(path, small_spans):
    cold(path)
    if is_cached(path):
        pytest.skip("this file system keeps its page cache")

    assert read_ahead([path]) == len(CONTENT)
    assert is_cached(path)


def test_a_file_with_several_links_is_read_once(path, tmp_path):
    snapshot = tmp_path / "snapshot" / "deep"
    snapshot.mkdir(parents=True)
    for name in ("a", "b"):
        (snapshot / name).symlink_to(path)

    assert read_ahead([tmp_path / "snapshot", path]) == len(CONTENT)


def test_the_last_report_has_all_bytes(path, small_spans):
    reports = []

    read_ahead([path], report=lambda *figures: reports.append(figures))

    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert reports == sorted(reports)


def test_a_stop_ends_the_read_ahead(path):
    stop = threading.Event()
    stop.set()

    assert read_ahead([path], stop) == 0


def test_missing_files_are_skipped(tmp_path, path):
    (tmp_path / "dangling").symlink_to("nowhere")

    assert read_ahead([tmp_path / "dangling", tmp_path / "absent", path]) == len(CONTENT)


def test_reading_ends_where_free_memory_ends(path, small_spans, monkeypatch):
    monkeypatch.setattr(readahead, "_free_bytes", lambda: 2 * 1024 * 1024)

    assert read_ahead([path]) == 2 * 1024 * 1024


@pytest.mark.parametrize("text", ["MemTotal: 8 kB\n", "MemAvailable:\n", "MemAvailable: x kB\n"])
def test_a_kernel_that_does_not_tell_its_memory_limits_nothing(path, tmp_path, monkeypatch, text):
    (tmp_path / "meminfo").write_text(text)
    monkeypatch.setattr(readahead, "_MEMINFO", tmp_path / "meminfo")

    assert read_ahead([path]) == len(CONTENT)


def test_reading_ahead_runs_beside_the_block_and_ends_with_it(path):
    before = threading.active_count()

    with reading_ahead([path]):
        assert path.read_bytes() == CONTENT

    assert threading.active_count() == before
