"""Several processes pull at once, and some are killed meanwhile."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.waiting import until
from tests.weights.fake_hub import fake_hub
from tests.weights.pull_process import pull_process, result_of
from tests.weights.volume_helpers import digest, selection_of, weight_file
from weights.download import journal
from weights.volume.volume import Volume

MODEL = "model.safetensors"
MIB = 1024 * 1024


@pytest.fixture
def hub():
    with fake_hub() as hub:
        yield hub


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


def published(hub, **sizes):
    """Return a selection of files that the Hub has."""
    contents = {f"{name}.bin": random.Random(name).randbytes(size) for name, size in sizes.items()}
    hub.add("owner/name", contents)
    return selection_of(*(weight_file(content, path) for path, content in contents.items()))


def is_whole(folder, selection):
    return all(digest((Path(folder) / f.path).read_bytes()) == f.sha256 for f in selection.files)


def test_after_a_sigkill_the_next_process_downloads_only_the_rest(hub, volume):
    selection = published(hub, big=48 * MIB)
    (file,) = selection.files
    hub.bytes_per_second = 3 * MIB

    with pull_process(hub, volume, selection, part_bytes=2 * MIB) as killed:
        until(lambda: journal.done_bytes(volume.partial(file)) >= 0.6 * file.size_bytes)
        killed.kill()
        killed.wait()
    kept = journal.done_bytes(volume.partial(file))
    hub.bytes_per_second = None
    with pull_process(hub, volume, selection) as second:
        result = result_of(second)

    assert is_whole(result["folder"], selection)
    assert result["fetched"] == file.size_bytes - kept < 0.45 * file.size_bytes


def test_a_pull_that_is_killed_repeatedly_still_finishes(hub, volume):
    selection = published(hub, big=8 * MIB)
    (file,) = selection.files
    hub.bytes_per_second = 1 * MIB
    for tenths in (2, 4, 6, 8):
        with pull_process(hub, volume, selection, part_bytes=64 * 1024) as killed:
            enough = tenths * file.size_bytes // 10
            until(lambda: journal.done_bytes(volume.partial(file)) >= enough)  # noqa: B023
            killed.kill()
            killed.wait()
    hub.bytes_per_second = None

    with pull_process(hub, volume, selection) as last:
        result = result_of(last)

    assert is_whole(result["folder"], selection)
    assert hub.bytes < 1.6 * file.size_bytes


def test_ten_processes_download_each_byte_once(hub, volume):
    selection = published(hub, a=3 * MIB, b=2 * MIB, c=1 * MIB, d=70_000, e=1)

    with ExitStack() as stack:
        processes = [stack.enter_context(pull_process(hub, volume, selection)) for _ in range(10)]
        results = [result_of(process) for process in processes]

    assert all(is_whole(one["folder"], selection) for one in results)
    assert {path: count.bytes for path, count in hub.counts.items()} == {
        file.path: file.size_bytes for file in selection.files
    }
    assert sum(one["fetched"] for one in results) == selection.size_bytes


def test_a_waiting_process_takes_over_when_the_other_is_killed(hub, volume):
    selection = published(hub, big=8 * MIB)
    (file,) = selection.files
    gate = hub.hold("big.bin", 0.5)

    with pull_process(hub, volume, selection, part_bytes=64 * 1024) as first:
        until(lambda: journal.done_bytes(volume.partial(file)) >= 0.4 * file.size_bytes)
        with pull_process(hub, volume, selection, part_bytes=64 * 1024) as second:
            before = hub.counts["big.bin"].requests
            until(lambda: (volume.root / "locks").exists())
            first.kill()
            first.wait()
            until(lambda: hub.counts["big.bin"].requests > before)
            gate.set()
            result = result_of(second)

    assert is_whole(result["folder"], selection)
    assert result["fetched"] <= 0.6 * file.size_bytes
