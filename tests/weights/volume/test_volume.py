from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from stat import S_ISDIR

import pytest

from tests.weights.volume_helpers import (
    ROOT,
    digest,
    opened,
    overwrite,
    published,
    put,
    run_on_small_disk,
    selection_of,
    weight_file,
)
from weights.errors import VolumeUnusable, WrongContent
from weights.volume.snapshot import marker_path
from weights.volume.volume import Volume

CONTENT = b"weights " * 1000


@pytest.fixture
def volume(tmp_path):
    return opened(tmp_path / "volume")


def test_open_creates_the_folders_and_may_be_called_again(tmp_path):
    volume = opened(tmp_path / "a" / "volume")

    volume.open()

    assert sorted(p.name for p in volume.root.iterdir()) == sorted(
        ["blobs", "hub", "locks", "models", "overlay", "partial", "torch"]
    )


def test_a_file_in_place_of_the_folder_makes_a_volume_unusable(tmp_path):
    (tmp_path / "volume").write_text("not a folder")

    with pytest.raises(VolumeUnusable, match="volume"):
        Volume(tmp_path / "volume").open()


def test_all_processes_use_the_same_partial_file(volume):
    file = weight_file(CONTENT)

    assert volume.partial(file) == Volume(volume.root).partial(file)
    assert volume.partial(file).name == f"{digest(CONTENT)}.part"


def test_files_that_are_begun_or_stored_are_found_by_one_look(volume, tmp_path):
    new, begun, whole = (weight_file(CONTENT + text) for text in (b"a", b"b", b"c"))
    put(volume, whole, CONTENT + b"c")
    volume.partial(begun).write_bytes(b"")

    assert volume.begun([new, begun, whole]) == [begun]
    assert volume.stored([new, begun, whole]) == [whole]
    assert (
        Volume(tmp_path / "none").begun([begun]) == Volume(tmp_path / "none").stored([whole]) == []
    )


def test_an_admitted_file_is_stored_under_its_digest_and_read_only(volume):
    file = weight_file(CONTENT)

    blob = put(volume, file, CONTENT)

    assert blob == volume.root / "blobs" / digest(CONTENT)
    assert blob.read_bytes() == CONTENT
    assert blob.stat().st_mode & 0o777 == 0o444
    assert volume.holds(file)
    assert not volume.partial(file).exists()


def test_a_truncated_blob_is_not_held(volume):
    file = weight_file(CONTENT)
    blob = put(volume, file, CONTENT)

    overwrite(blob, CONTENT[:-1])

    assert not volume.holds(file)


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"!"], ids=["short", "flipped"])
def test_wrong_content_is_not_admitted(volume, content):
    file = weight_file(CONTENT)

    with pytest.raises(WrongContent, match=r"model\.safetensors"):
        put(volume, file, content)

    assert not volume.blob(file).exists()


def test_the_second_of_two_that_admit_the_same_file_changes_nothing(volume):
    file = weight_file(CONTENT)
    blob = put(volume, file, CONTENT)
    inode = blob.stat().st_ino

    assert volume.admit(file, volume.partial(file), sha256=digest(CONTENT)) == blob
    assert blob.stat().st_ino == inode


def test_admitting_a_vanished_file_without_its_blob_is_an_error(volume):
    file = weight_file(CONTENT)

    with pytest.raises(VolumeUnusable):
        volume.admit(file, volume.partial(file), sha256=digest(CONTENT))


CRASH = """
import os, sys
from pathlib import Path
from tests.weights.volume_helpers import *
volume, content = Volume(Path(sys.argv[1])), sys.argv[2].encode()
file = weight_file(content, known=sys.argv[4] == "known")
name, _, before = sys.argv[3].partition("#")
real, calls = getattr(os, name), []
def crash_at(*arguments, **options):
    calls.append(1)
    return real(*arguments, **options) if len(calls) <= int(before) else os._exit(9)
setattr(os, name, crash_at)
put(volume, file, content)
"""


@pytest.mark.parametrize(
    "moment",
    [
        "chmod#0 known",
        "replace#0 known",
        "fsync#1 known",
        "replace#0 unknown",
        "replace#1 unknown",
        "fsync#3 unknown",
    ],
)
def test_a_crash_while_admitting_leaves_the_right_bytes_or_none(volume, moment):
    file = weight_file(CONTENT, known=moment.endswith(" known"))
    command = [sys.executable, "-c", CRASH, str(volume.root), CONTENT.decode(), *moment.split()]

    ended = subprocess.run(command, cwd=ROOT, check=False)

    assert ended.returncode == 9
    assert not volume.blob(file).exists() or volume.blob(file).read_bytes() == CONTENT
    put(volume, file, CONTENT)
    assert volume.holds(file)


def test_a_digest_unknown_to_the_manifest_is_recorded_beside_the_blob(volume):
    file = weight_file(CONTENT, known=False)

    blob = put(volume, file, CONTENT)

    assert volume.digest_of(file) == digest(CONTENT)
    assert blob.with_name(f"{blob.name}.sha256").read_text().split()[0] == digest(CONTENT)
    overwrite(blob, CONTENT[:-1])
    assert not volume.holds(file)


def test_missing_lists_each_content_once(volume):
    twins = [weight_file(CONTENT, "a.bin"), weight_file(CONTENT, "b.bin")]
    other = weight_file(b"other", "c.bin")
    put(volume, other, b"other")

    assert volume.missing(selection_of(*twins, other)) == [twins[1]]


def test_the_snapshot_has_relative_links_under_the_files_own_names(volume):
    contents = {"model_index.json": b"{}", "vae/deep/model.safetensors": CONTENT}
    selection = published(volume, contents)

    folder = volume.root.rename(volume.root.with_name("moved")) / volume.snapshot(
        selection
    ).relative_to(volume.root)

    assert {path: (folder / path).read_bytes() for path in contents} == contents
    assert not (folder / "vae/deep/model.safetensors").readlink().is_absolute()


def test_the_latest_snapshot_is_linked_under_the_name_of_the_profile(volume):
    published(volume, {"old.bin": b"old"})
    published(volume, {"new.bin": b"new"})

    assert (volume.root / "models/tiny/default/new.bin").read_bytes() == b"new"


def test_a_new_revision_leaves_that_of_workers_of_another_release_complete(volume):
    old = published(volume, {"model.bin": b"old"})
    new = published(volume, {"model.bin": b"new"})

    assert (volume.snapshot(old) / "model.bin").read_bytes() == b"old"
    assert volume.complete(old)
    assert volume.complete(new)


def test_a_file_system_without_symbolic_links_gets_hard_links(volume, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)

    selection = published(volume, {"vae/model.bin": CONTENT})

    link = volume.snapshot(selection) / "vae/model.bin"
    assert link.samefile(volume.blob(selection.files[0]))
    assert not link.is_symlink()
    assert volume.complete(selection)


def test_publishing_a_missing_file_is_refused(volume):
    with pytest.raises(VolumeUnusable, match=r"lost model\.safetensors"):
        volume.publish(selection_of(weight_file(CONTENT)))


def test_publishing_repairs_a_snapshot(volume):
    selection = published(volume, {"a.bin": b"a", "b.bin": b"b"})
    (volume.snapshot(selection) / "a.bin").unlink()
    (volume.snapshot(selection) / "b.bin").unlink()
    (volume.snapshot(selection) / "b.bin").symlink_to("nowhere")

    volume.publish(selection)

    assert volume.complete(selection)


def test_a_link_in_a_snapshot_that_leads_out_of_it_is_not_followed(volume, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    selection = published(volume, {"unet/model.bin": CONTENT})
    unet = volume.snapshot(selection) / "unet"
    (unet / "model.bin").unlink()
    unet.rmdir()
    unet.symlink_to(outside)

    with pytest.raises(VolumeUnusable, match="leads out of its folder"):
        volume.publish(selection)

    assert not list(outside.iterdir())


def truncate(volume, selection):
    blob = volume.blob(selection.files[1])
    overwrite(blob, blob.read_bytes()[:-1])


FAULTS = {
    "truncated blob": truncate,
    "missing blob": lambda volume, selection: volume.blob(selection.files[0]).unlink(),
    "missing link": lambda v, s: (v.snapshot(s) / s.files[0].path).unlink(),
    "folder for a file": lambda v, s: (
        (v.snapshot(s) / s.files[0].path).unlink(),
        (v.snapshot(s) / s.files[0].path).mkdir(),
    ),
    "no marker": lambda v, s: marker_path(v.root, s).unlink(),
    "torn marker": lambda v, s: marker_path(v.root, s).write_text('{"files": ['),
    "invalid marker": lambda v, s: marker_path(v.root, s).write_text("[1]"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_complete_detects(volume, fault):
    selection = published(volume, {f"{n}.bin": b"x" * (n + 1) for n in range(3)})
    assert volume.complete(selection)

    FAULTS[fault](volume, selection)

    assert not volume.complete(selection)


def test_a_selection_of_fewer_files_is_not_complete_before_it_is_published(volume):
    selection = published(volume, {"a.bin": b"a", "b.bin": b"b"})

    assert not volume.complete(selection_of(selection.files[0]))


def test_complete_stats_each_file_once_and_reads_one(volume, monkeypatch):
    selection = published(volume, {f"{n}.bin": b"x" * (n + 1) for n in range(20)})
    calls = []

    def counted(real):
        return lambda *arguments, **options: (calls.append(real), real(*arguments, **options))[1]

    monkeypatch.setattr(os, "stat", counted(os.stat))
    monkeypatch.setattr(io, "open", counted(io.open))
    monkeypatch.setattr(os, "open", counted(os.open))

    assert volume.complete(selection)
    assert len(calls) == 21


def test_a_complete_read_only_volume_is_usable():
    output = run_on_small_disk("""
volume = opened(disk / "volume")
selection = published(volume, {"a.bin": b"a"})
mount("-o", "remount,ro")
print(volume.complete(selection), (volume.snapshot(selection) / "a.bin").read_bytes())
""")

    assert output == "True b'a'\n"


@pytest.mark.parametrize("before", ["", "opened(disk / 'volume')"], ids=["empty", "filled"])
def test_a_read_only_volume_cannot_be_opened(before):
    output = run_on_small_disk(f"""
from weights.errors import VolumeUnusable
{before}
mount("-o", "remount,ro")
try:
    opened(disk / "volume")
except VolumeUnusable as error:
    print(error)
""")

    assert "volume" in output


def test_the_error_of_a_full_disk_names_needed_and_free_space():
    output = run_on_small_disk(
        """
from weights.volume import disk as disks
from weights.errors import DiskFull
volume = opened(disk / "volume")
try:
    with disks.disk_errors(disk, needed_bytes=50_000_000):
        volume.partial(weight_file(b"x")).write_bytes(bytes(50_000_000))
except DiskFull as error:
    print(error)
"""
    )

    assert "needed 0.05 GB, free 0.00 GB" in output


def test_the_volume_has_homes_for_the_hub_and_torch(volume):
    assert volume.hub_home.is_dir()
    assert volume.torch_home.is_dir()
    assert volume.free_bytes() > 0


def test_an_unsupported_folder_sync_is_ignored_and_an_io_error_is_raised(volume, monkeypatch):
    real = os.fsync

    def fail(code, *, folders_only):
        def fsync(handle):
            if not folders_only or S_ISDIR(os.fstat(handle).st_mode):
                raise OSError(code, os.strerror(code))
            real(handle)

        monkeypatch.setattr(os, "fsync", fsync)

    fail(errno.EIO, folders_only=False)
    with pytest.raises(VolumeUnusable, match="Input/output"):
        put(volume, weight_file(CONTENT), CONTENT)

    fail(errno.EINVAL, folders_only=True)
    put(volume, weight_file(CONTENT), CONTENT)
    assert volume.holds(weight_file(CONTENT))


def test_a_folder_in_place_of_the_marker_is_reported_and_no_temporary_file_is_left(volume):
    selection = selection_of(weight_file(CONTENT))
    put(volume, selection.files[0], CONTENT)
    marker_path(volume.root, selection).mkdir(parents=True)

    with pytest.raises(VolumeUnusable, match=r"\.json"):
        volume.publish(selection)
    assert list((volume.root / "partial").iterdir()) == []


def test_free_space_is_known_before_the_volume_is_created(tmp_path):
    assert Volume(tmp_path / "not" / "yet").free_bytes() > 0
