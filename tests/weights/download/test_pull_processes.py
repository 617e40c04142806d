"""Several processes pull at once, and some of them die in the middle of it."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.waiting import until
from tests.weights.build import digest, selection_of, weight_file
from tests.weights.fake_hub import fake_hub
from tests.weights.puller import puller, said
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
    """A selection of files that the Hub has."""
    contents = {f"{name}.bin": random.Random(name).randbytes(size) for name, size in sizes.items()}
    hub.add("owner/name", contents)
    return selection_of(*(weight_file(content, path) for path, content in contents.items()))


def is_whole(folder, selection):
    return all(digest((Path(folder) / f.path).read_bytes()) == f.sha256 for f in selection.files)


def test_after_a_sigkill_the_next_process_fetches_the_rest_only(hub, volume):
    selection = published(hub, big=48 * MIB)
    (file,) = selection.files
    hub.bytes_per_second = 3 * MIB

    with puller(hub, volume, selection, part_bytes=2 * MIB) as killed:
        until(lambda: journal.done_bytes(volume.partial(file)) >= 0.6 * file.size_bytes)
        killed.kill()
        killed.wait()
    kept = journal.done_bytes(volume.partial(file))
    hub.bytes_per_second = None
    with puller(hub, volume, selection) as second:
        told = said(second)

    assert is_whole(told["folder"], selection)
    assert told["fetched"] == file.size_bytes - kept < 0.45 * file.size_bytes


def test_killed_again_and_again_it_ends_some_time(hub, volume):
    selection = published(hub, big=8 * MIB)
    (file,) = selection.files
    hub.bytes_per_second = 1 * MIB
    for tenths in (2, 4, 6, 8):
        with puller(hub, volume, selection, part_bytes=64 * 1024) as killed:
            enough = tenths * file.size_bytes // 10
            until(lambda: journal.done_bytes(volume.partial(file)) >= enough)  # noqa: B023
            killed.kill()
            killed.wait()
    hub.bytes_per_second = None

    with puller(hub, volume, selection) as last:
        told = said(last)

    assert is_whole(told["folder"], selection)
    assert hub.bytes < 1.6 * file.size_bytes


def test_ten_processes_fetch_each_byte_once(hub, volume):
    selection = published(hub, a=3 * MIB, b=2 * MIB, c=1 * MIB, d=70_000, e=1)

    with ExitStack() as pullers:
        crowd = [pullers.enter_context(puller(hub, volume, selection)) for _ in range(10)]
        told = [said(process) for process in crowd]

    assert all(is_whole(one["folder"], selection) for one in told)
    assert {path: count.bytes for path, count in hub.counts.items()} == {
        file.path: file.size_bytes for file in selection.files
    }
    assert sum(one["fetched"] for one in told) == selection.size_bytes


def test_who_waits_takes_over_when_the_other_is_killed(hub, volume):
    selection = published(hub, big=8 * MIB)
    (file,) = selection.files
    gate = hub.hold("big.bin", 0.5)

    with puller(hub, volume, selection, part_bytes=64 * 1024) as first:
        until(lambda: journal.done_bytes(volume.partial(file)) >= 0.4 * file.size_bytes)
        with puller(hub, volume, selection, part_bytes=64 * 1024) as second:
            asked = hub.counts["big.bin"].requests
            until(lambda: (volume.root / "locks").exists())
            first.kill()
            first.wait()
            until(lambda: hub.counts["big.bin"].requests > asked)
            gate.set()
            told = said(second)

    assert is_whole(told["folder"], selection)
    assert told["fetched"] <= 0.6 * file.size_bytes
