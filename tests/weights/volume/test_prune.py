from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from tests.weights.volume_helpers import opened, published, put, weight_file
from weights.volume.prune import prune, sweep, unreferenced


@pytest.fixture
def volume(tmp_path):
    return opened(tmp_path / "volume")


def after(**age):
    return datetime.now(UTC) + timedelta(**age)


def names(leftovers):
    return sorted(leftover.path.name for leftover in leftovers)


def test_unreferenced_files_are_deleted_and_the_rest_stays(volume):
    old = published(volume, {"model.bin": b"old", "both.bin": b"both"})
    new = published(volume, {"model.bin": b"new", "both.bin": b"both"})

    gone = prune(volume, [new], now=after(hours=2))

    assert names(gone) == [old.files[0].id]
    assert sum(leftover.size_bytes for leftover in gone) == 3
    assert volume.complete(new)
    assert not volume.snapshot(old).exists()


def test_listing_unreferenced_files_deletes_nothing(volume):
    old = published(volume, {"model.bin": b"old"})

    assert names(unreferenced(volume, [], now=after(hours=2))) == [old.files[0].id]
    assert volume.complete(old)


def test_marker_link_and_folder_of_an_unreferenced_model_are_deleted(volume):
    published(volume, {"model.bin": b"old"})

    prune(volume, [], now=after(hours=2))

    assert list((volume.root / "models").iterdir()) == []
    assert list((volume.root / "blobs").iterdir()) == []


def test_several_may_prune_at_once(volume):
    for number in range(60):
        published(volume, {f"{part}.bin": b"%d" % number for part in "abc"})
    start = Barrier(4)

    def prune_with_others(_):
        start.wait()
        return prune(volume, [], now=after(hours=2))

    with ThreadPoolExecutor(4) as pool:
        gone = [leftover for each in pool.map(prune_with_others, range(4)) for leftover in each]

    assert len({leftover.path for leftover in gone}) == 60
    assert list((volume.root / "models").glob("*/.*")) == []


def test_new_files_stay_because_their_model_may_be_about_to_be_published(volume):
    selection = published(volume, {"model.bin": b"new"})

    assert prune(volume, [], now=after(minutes=30)) == []
    assert volume.complete(selection)


def test_files_being_downloaded_stay(volume):
    file = weight_file(b"content")
    volume.partial(file).write_bytes(b"cont")

    with volume.lock(file):
        assert prune(volume, [], now=after(days=30)) == []
        assert sweep(volume, now=after(days=30)) == []

    assert names(prune(volume, [], now=after(days=30))) == [volume.partial(file).name]


def test_the_recorded_digest_is_deleted_with_its_blob(volume):
    put(volume, weight_file(b"content", known=False), b"content")

    prune(volume, [], now=after(hours=2))

    assert list((volume.root / "blobs").iterdir()) == []


def test_a_sweep_removes_old_partial_files_and_keeps_resumable_ones(volume):
    file = weight_file(b"content")
    put(volume, weight_file(b"whole", "whole.bin"), b"whole")
    volume.partial(file).write_bytes(b"cont")
    volume.temporary(file).write_bytes(b"what a crash left")

    assert len(sweep(volume, now=after(hours=2))) == 0
    assert len(sweep(volume, now=after(days=2))) == 1
    assert volume.partial(file).exists()
    assert names(sweep(volume, now=after(days=8))) == [volume.partial(file).name]
    assert len(list((volume.root / "blobs").iterdir())) == 1


def test_a_sweep_removes_lock_files_that_nobody_holds(volume):
    held, free = weight_file(b"held"), weight_file(b"free")
    with volume.lock(free):
        pass
    (volume.root / "locks" / f"{free.id}.lease").write_text("of a machine that died")

    with volume.lock(held) as lock:
        sweep(volume, now=after(days=2))

        assert [p.stem for p in (volume.root / "locks").glob("*.lock")] == [held.id]
        assert lock


def test_an_unopened_volume_has_nothing_to_remove(tmp_path):
    volume = opened(tmp_path / "volume")
    for folder in volume.root.iterdir():
        folder.rmdir()

    assert prune(volume, [], now=after(days=1)) == sweep(volume, now=after(days=1)) == []
