from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from tests.weights.build import (
    COMMIT,
    digest,
    opened,
    put,
    run_on_small_disk,
    weight_file,
)
from weights.errors import PullStopped
from weights.volume import local_candidates
from weights.volume.import_local import adopt

CONTENT = bytes(range(256)) * 4000
WRONG = CONTENT[:-1] + b"!"


@pytest.fixture
def volume(tmp_path):
    return opened(tmp_path / "volume")


@pytest.fixture
def elsewhere(tmp_path):
    return tmp_path / "elsewhere"


@pytest.fixture
def far():
    """A folder on another file system."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no /dev/shm")
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


def write(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def hub_cache(folder, content=CONTENT, *, path="model.safetensors", name=None, commit=COMMIT):
    """What huggingface_hub leaves: a blob and, in the snapshot, a link to it."""
    repo = folder / "models--owner--name"
    blob = write(repo / "blobs" / (name or digest(content)), content)
    link = repo / "snapshots" / commit / path
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return blob


@pytest.mark.parametrize("below", ["", "hub", "huggingface-cache/hub", ".cache/huggingface/hub"])
def test_a_cache_of_the_hub_is_adopted(volume, elsewhere, below):
    file = weight_file(CONTENT, "unet/model.safetensors")
    hub_cache(elsewhere / below, path="unet/model.safetensors")

    assert adopt(file, volume, [elsewhere])
    assert volume.blob(file).read_bytes() == CONTENT


def test_the_cache_of_runpod_is_looked_at_unasked(volume, elsewhere, monkeypatch):
    monkeypatch.setattr(local_candidates, "RUNPOD_CACHE", elsewhere / "huggingface-cache" / "hub")
    hub_cache(elsewhere / "huggingface-cache" / "hub")

    assert adopt(weight_file(CONTENT), volume)


def test_the_hub_home_on_the_volume_itself_is_looked_at_unasked(volume):
    hub_cache(volume.hub_home / "hub")

    assert adopt(weight_file(CONTENT), volume)


def test_a_file_is_found_by_its_digest_in_the_cache_of_another_repository(volume, elsewhere):
    write(elsewhere / "models--someone--copy" / "blobs" / digest(CONTENT))

    assert adopt(weight_file(CONTENT), volume, [elsewhere])


def test_another_volume_is_adopted(volume, elsewhere):
    file = weight_file(CONTENT)
    put(opened(elsewhere), file, CONTENT)

    assert adopt(file, volume, [elsewhere])


@pytest.mark.parametrize(
    "place",
    [
        "owner/name/model.safetensors",
        "name/model.safetensors",
        "model.safetensors",
        "ckpt/model.safetensors",
        "models/vae/model.safetensors",
    ],
)
def test_a_plain_file_is_found_by_path_and_by_name(volume, elsewhere, place):
    write(elsewhere / place)

    assert adopt(weight_file(CONTENT), volume, [elsewhere])


def test_a_plain_file_of_a_bucket_is_found_by_its_name(volume, elsewhere):
    write(elsewhere / "some file.bin")
    file = weight_file(CONTENT, "model.bin", source="https://host/folder/some%20file.bin")

    assert adopt(file, volume, [elsewhere])


@pytest.mark.parametrize("content", [WRONG, CONTENT[:-1], CONTENT + b"!"])
def test_other_bytes_are_not_adopted_and_stay_where_they_are(volume, elsewhere, content):
    found = write(elsewhere / "model.safetensors", content)

    assert not adopt(weight_file(CONTENT), volume, [elsewhere])
    assert not volume.blob(weight_file(CONTENT)).exists()
    assert found.read_bytes() == content
    assert list((volume.root / "partial").iterdir()) == []


def test_a_right_file_is_found_behind_a_wrong_one(volume, elsewhere):
    write(elsewhere / "model.safetensors", WRONG)
    write(elsewhere / "name" / "model.safetensors", CONTENT)

    assert adopt(weight_file(CONTENT), volume, [elsewhere])


def test_a_blob_with_the_right_name_and_wrong_bytes_is_not_trusted(volume, elsewhere):
    hub_cache(elsewhere, WRONG, name=digest(CONTENT))

    assert not adopt(weight_file(CONTENT), volume, [elsewhere])


def test_no_file_is_hashed_twice(volume, elsewhere):
    found = write(elsewhere / "model.safetensors", WRONG)
    reads = []

    for _ in range(2):
        assert not adopt(weight_file(CONTENT), volume, [elsewhere], report=reads.append)
    assert reads == [len(WRONG)]

    found.write_bytes(CONTENT)
    assert adopt(weight_file(CONTENT), volume, [elsewhere], report=reads.append)
    volume.blob(weight_file(CONTENT)).unlink()
    assert adopt(weight_file(CONTENT), volume, [elsewhere], report=reads.append)
    assert reads == [len(WRONG), len(CONTENT)]


def test_on_the_same_file_system_no_room_is_taken_and_the_mode_stays(volume, elsewhere):
    found = write(elsewhere / "model.safetensors")
    found.chmod(0o640)

    assert adopt(weight_file(CONTENT), volume, [elsewhere])

    blob = volume.blob(weight_file(CONTENT))
    assert found.stat().st_mode & 0o777 == 0o640
    assert blob.samefile(found) or blob.stat().st_mode & 0o777 == 0o444  # linked, or blocks shared


def test_from_another_file_system_a_file_is_copied(volume, far):
    found = write(far / "model.safetensors")

    assert adopt(weight_file(CONTENT), volume, [far])

    found.write_bytes(WRONG)
    blob = volume.blob(weight_file(CONTENT))
    assert blob.read_bytes() == CONTENT
    assert blob.stat().st_mode & 0o777 == 0o444


def test_a_copy_is_checked_too(volume, far):
    write(far / "model.safetensors", WRONG)

    assert not adopt(weight_file(CONTENT), volume, [far])
    assert list((volume.root / "partial").iterdir()) == []


def test_a_partial_is_no_longer_needed(volume, elsewhere):
    file = weight_file(CONTENT)
    volume.partial(file).write_bytes(CONTENT[:10])
    write(elsewhere / "model.safetensors")

    adopt(file, volume, [elsewhere])

    assert not volume.partial(file).exists()


def test_a_stop_leaves_nothing_behind(volume, far):
    write(far / "model.safetensors")
    stop = threading.Event()
    stop.set()

    with pytest.raises(PullStopped):
        adopt(weight_file(CONTENT), volume, [far], stop=stop)
    assert list((volume.root / "partial").iterdir()) == []


def test_a_full_disk_is_named(tmp_path):
    source = write(tmp_path / "model.safetensors", bytes(20_000_000))
    said = run_on_small_disk(f"""
from weights.volume.import_local import adopt
from weights.errors import DiskFull
source = Path({str(source)!r})
try:
    adopt(weight_file(source.read_bytes()), opened(disk), [source.parent])
except DiskFull as error:
    print(error)
""")

    assert "needed 0.02 GB, free 0.01 GB" in said


def test_without_a_digest_the_snapshot_of_the_pinned_commit_is_taken(volume, elsewhere):
    file = weight_file(CONTENT, known=False)
    hub_cache(elsewhere)

    assert adopt(file, volume, [elsewhere])
    assert volume.digest_of(file) == digest(CONTENT)


def test_without_a_digest_the_name_of_the_blob_in_the_cache_must_fit(volume, elsewhere):
    hub_cache(elsewhere, WRONG, name=digest(CONTENT))

    assert not adopt(weight_file(CONTENT, known=False), volume, [elsewhere])


def test_without_a_digest_no_other_commit_and_no_mere_name_is_taken(volume, elsewhere):
    hub_cache(elsewhere, commit="d" * 40)
    write(elsewhere / "model.safetensors")

    assert not adopt(weight_file(CONTENT, known=False), volume, [elsewhere])


def test_a_blob_fetched_before_its_digest_was_known_is_taken_over(volume):
    put(volume, weight_file(CONTENT, known=False), CONTENT)
    file = weight_file(CONTENT)

    assert adopt(file, volume)
    assert volume.holds(file)


def test_folders_that_are_not_there_are_passed_over(volume, elsewhere):
    assert not adopt(weight_file(CONTENT), volume, [elsewhere / "absent"])


def test_where_blocks_can_be_shared_the_file_is_our_own(volume, elsewhere, monkeypatch):
    def clone(target, request, source):
        assert request == 0x40049409
        os.sendfile(target.fileno(), source, 0, len(CONTENT))

    monkeypatch.setattr(fcntl, "ioctl", clone)
    found = write(elsewhere / "model.safetensors")

    assert adopt(weight_file(CONTENT), volume, [elsewhere])

    blob = volume.blob(weight_file(CONTENT))
    assert not blob.samefile(found)
    assert blob.read_bytes() == CONTENT
    assert blob.stat().st_mode & 0o777 == 0o444


def test_a_file_that_was_replaced_before_it_could_be_linked_is_copied(
    volume, elsewhere, monkeypatch
):
    found, real = write(elsewhere / "model.safetensors"), os.link

    def replaced(source, target):
        write(elsewhere / "new", WRONG).replace(found)
        real(source, target)

    monkeypatch.setattr(os, "link", replaced)

    assert adopt(weight_file(CONTENT), volume, [elsewhere])
    assert volume.blob(weight_file(CONTENT)).read_bytes() == CONTENT
