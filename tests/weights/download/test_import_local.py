from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from tests.folders import temporary_folder
from tests.weights.volume_helpers import (
    COMMIT,
    digest,
    opened,
    put,
    run_on_small_disk,
    weight_file,
)
from weights.download import local_candidates
from weights.download.import_local import adopt
from weights.errors import PullStopped

CONTENT = bytes(range(256)) * 4000
WRONG = CONTENT[:-1] + b"!"


@pytest.fixture
def volume(tmp_path):
    return opened(tmp_path / "volume")


@pytest.fixture
def elsewhere(tmp_path):
    return tmp_path / "elsewhere"


@pytest.fixture
def other_file_system():
    """A folder on another file system."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("this machine has no /dev/shm")
    with temporary_folder("tests", below="/dev/shm") as folder:
        yield folder


def write(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def create_hub_cache(
    folder, content=CONTENT, *, path="model.safetensors", name=None, commit=COMMIT
):
    """Create what huggingface_hub does: a blob and, in the snapshot, a link to it."""
    repo = folder / "models--owner--name"
    blob = write(repo / "blobs" / (name or digest(content)), content)
    link = repo / "snapshots" / commit / path
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return blob


@pytest.mark.parametrize("below", ["", "hub", "huggingface-cache/hub", ".cache/huggingface/hub"])
def test_a_hub_cache_is_imported(volume, elsewhere, below):
    file = weight_file(CONTENT, "unet/model.safetensors")
    create_hub_cache(elsewhere / below, path="unet/model.safetensors")

    assert adopt(file, volume, [elsewhere])
    assert volume.blob(file).read_bytes() == CONTENT


def test_the_runpod_cache_is_always_searched(volume, elsewhere, monkeypatch):
    monkeypatch.setattr(local_candidates, "RUNPOD_CACHE", elsewhere / "huggingface-cache" / "hub")
    create_hub_cache(elsewhere / "huggingface-cache" / "hub")

    assert adopt(weight_file(CONTENT), volume)


def test_the_hub_home_on_the_volume_is_always_searched(volume):
    create_hub_cache(volume.hub_home / "hub")

    assert adopt(weight_file(CONTENT), volume)


def test_a_file_is_found_by_its_digest_in_the_cache_of_another_repository(volume, elsewhere):
    write(elsewhere / "models--someone--copy" / "blobs" / digest(CONTENT))

    assert adopt(weight_file(CONTENT), volume, [elsewhere])


def test_a_file_of_another_volume_is_imported(volume, elsewhere):
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
def test_files_with_other_bytes_are_not_imported_and_stay_unchanged(volume, elsewhere, content):
    found = write(elsewhere / "model.safetensors", content)

    assert not adopt(weight_file(CONTENT), volume, [elsewhere])
    assert not volume.blob(weight_file(CONTENT)).exists()
    assert found.read_bytes() == content
    assert list((volume.root / "partial").iterdir()) == []


def test_a_right_file_is_found_after_a_wrong_one(volume, elsewhere):
    write(elsewhere / "model.safetensors", WRONG)
    write(elsewhere / "name" / "model.safetensors", CONTENT)

    assert adopt(weight_file(CONTENT), volume, [elsewhere])


def test_a_blob_with_the_right_name_and_wrong_bytes_is_not_trusted(volume, elsewhere):
    create_hub_cache(elsewhere, WRONG, name=digest(CONTENT))

    assert not adopt(weight_file(CONTENT), volume, [elsewhere])


def test_no_local_file_is_hashed_twice(volume, elsewhere):
    found = write(elsewhere / "model.safetensors", WRONG)
    reads = []

    for _ in range(2):
        assert not adopt(weight_file(CONTENT), volume, [elsewhere], on_read=reads.append)
    assert reads == [len(WRONG)]

    found.write_bytes(CONTENT)
    assert adopt(weight_file(CONTENT), volume, [elsewhere], on_read=reads.append)
    volume.blob(weight_file(CONTENT)).unlink()
    assert adopt(weight_file(CONTENT), volume, [elsewhere], on_read=reads.append)
    assert reads == [len(WRONG), len(CONTENT)]


def test_on_the_same_file_system_no_space_is_used_and_the_mode_stays(volume, elsewhere):
    found = write(elsewhere / "model.safetensors")
    found.chmod(0o640)

    assert adopt(weight_file(CONTENT), volume, [elsewhere])

    blob = volume.blob(weight_file(CONTENT))
    assert found.stat().st_mode & 0o777 == 0o640
    assert blob.samefile(found) or blob.stat().st_mode & 0o777 == 0o444  # linked, or blocks shared


def test_a_file_on_another_file_system_is_copied(volume, other_file_system):
    found = write(other_file_system / "model.safetensors")

    assert adopt(weight_file(CONTENT), volume, [other_file_system])

    found.write_bytes(WRONG)
    blob = volume.blob(weight_file(CONTENT))
    assert blob.read_bytes() == CONTENT
    assert blob.stat().st_mode & 0o777 == 0o444


def test_a_copied_file_is_verified_too(volume, other_file_system):
    write(other_file_system / "model.safetensors", WRONG)

    assert not adopt(weight_file(CONTENT), volume, [other_file_system])
    assert list((volume.root / "partial").iterdir()) == []


def test_the_partial_file_of_an_imported_file_is_removed(volume, elsewhere):
    file = weight_file(CONTENT)
    volume.partial(file).write_bytes(CONTENT[:10])
    write(elsewhere / "model.safetensors")

    adopt(file, volume, [elsewhere])

    assert not volume.partial(file).exists()


def test_a_stop_leaves_no_temporary_file(volume, other_file_system):
    write(other_file_system / "model.safetensors")
    stop = threading.Event()
    stop.set()

    with pytest.raises(PullStopped):
        adopt(weight_file(CONTENT), volume, [other_file_system], stop=stop)
    assert list((volume.root / "partial").iterdir()) == []


def test_a_full_disk_is_reported(tmp_path):
    source = write(tmp_path / "model.safetensors", bytes(20_000_000))
    output = run_on_small_disk(f"""
from weights.download.import_local import adopt
from weights.errors import DiskFull
source = Path({str(source)!r})
try:
    adopt(weight_file(source.read_bytes()), opened(disk), [source.parent])
except DiskFull as error:
    print(error)
""")

    assert "needed 0.02 GB, free 0.01 GB" in output


def test_without_a_digest_the_snapshot_of_the_pinned_commit_is_imported(volume, elsewhere):
    file = weight_file(CONTENT, known=False)
    create_hub_cache(elsewhere)

    assert adopt(file, volume, [elsewhere])
    assert volume.digest_of(file) == digest(CONTENT)


def test_without_a_digest_the_content_must_match_the_name_of_the_cached_blob(volume, elsewhere):
    create_hub_cache(elsewhere, WRONG, name=digest(CONTENT))

    assert not adopt(weight_file(CONTENT, known=False), volume, [elsewhere])


def test_without_a_digest_neither_another_commit_nor_an_equal_name_is_imported(volume, elsewhere):
    create_hub_cache(elsewhere, commit="d" * 40)
    write(elsewhere / "model.safetensors")

    assert not adopt(weight_file(CONTENT, known=False), volume, [elsewhere])


def test_a_blob_stored_before_its_digest_was_known_is_imported(volume):
    put(volume, weight_file(CONTENT, known=False), CONTENT)
    file = weight_file(CONTENT)

    assert adopt(file, volume)
    assert volume.holds(file)


def test_missing_folders_are_skipped(volume, elsewhere):
    assert not adopt(weight_file(CONTENT), volume, [elsewhere / "absent"])


def test_a_reflinked_file_is_independent_of_the_original(volume, elsewhere, monkeypatch):
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


def test_a_file_replaced_before_it_could_be_linked_is_copied(volume, elsewhere, monkeypatch):
    found, real = write(elsewhere / "model.safetensors"), os.link

    def replaced(source, target):
        write(elsewhere / "new", WRONG).replace(found)
        real(source, target)

    monkeypatch.setattr(os, "link", replaced)

    assert adopt(weight_file(CONTENT), volume, [elsewhere])
    assert volume.blob(weight_file(CONTENT)).read_bytes() == CONTENT
