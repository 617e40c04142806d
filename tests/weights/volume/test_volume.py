from __future__ import annotations

import errno
import io
import os
import subprocess
import sys

import pytest

from tests.weights.build import (
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
from weights.volume.volume import Volume

CONTENT = b"weights " * 1000


@pytest.fixture
def volume(tmp_path):
    return opened(tmp_path / "volume")


def test_open_makes_the_folders_and_may_be_called_again(tmp_path):
    volume = opened(tmp_path / "a" / "volume")

    volume.open()

    assert sorted(p.name for p in volume.root.iterdir()) == sorted(
        ["blobs", "hub", "locks", "models", "partial", "torch"]
    )


def test_a_file_in_the_way_makes_a_volume_unusable(tmp_path):
    (tmp_path / "volume").write_text("I am in the way")

    with pytest.raises(VolumeUnusable, match="volume"):
        Volume(tmp_path / "volume").open()


def test_another_process_finds_the_same_partial(volume):
    file = weight_file(CONTENT)

    assert volume.partial(file) == Volume(volume.root).partial(file)
    assert volume.partial(file).name == f"{digest(CONTENT)}.part"


def test_an_admitted_file_is_held_under_its_digest_and_read_only(volume):
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


def test_a_partial_that_vanished_without_its_blob_is_an_error(volume):
    file = weight_file(CONTENT)

    with pytest.raises(VolumeUnusable):
        volume.admit(file, volume.partial(file), sha256=digest(CONTENT))


CRASH = """
import os, sys
from pathlib import Path
from tests.weights.build import *
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


def test_the_digest_of_a_file_that_no_manifest_knows_is_kept_beside_it(volume):
    file = weight_file(CONTENT, known=False)

    blob = put(volume, file, CONTENT)

    assert volume.digest_of(file) == digest(CONTENT)
    assert blob.with_name(f"{blob.name}.sha256").read_text().split()[0] == digest(CONTENT)
    overwrite(blob, CONTENT[:-1])
    assert not volume.holds(file)


def test_missing_names_each_content_once(volume):
    twins = [weight_file(CONTENT, "a.bin"), weight_file(CONTENT, "b.bin")]
    other = weight_file(b"other", "c.bin")
    put(volume, other, b"other")

    assert volume.missing(selection_of(*twins, other)) == [twins[1]]


def test_the_view_shows_the_files_under_their_names_by_relative_links(volume):
    contents = {"model_index.json": b"{}", "vae/deep/model.safetensors": CONTENT}
    selection = published(volume, contents)

    folder = volume.root.rename(volume.root.with_name("moved")) / volume.view(
        selection
    ).relative_to(volume.root)

    assert {path: (folder / path).read_bytes() for path in contents} == contents
    assert not (folder / "vae/deep/model.safetensors").readlink().is_absolute()


def test_people_find_the_latest_view_under_the_name_of_the_profile(volume):
    published(volume, {"old.bin": b"old"})
    published(volume, {"new.bin": b"new"})

    assert (volume.root / "models/tiny/default/new.bin").read_bytes() == b"new"


def test_a_new_revision_leaves_the_view_of_a_running_worker_alone(volume):
    old = published(volume, {"model.bin": b"old"})
    published(volume, {"model.bin": b"new"})

    assert (volume.view(old) / "model.bin").read_bytes() == b"old"
    assert not volume.complete(old)
    volume.publish(old)
    assert volume.complete(old)


def test_a_file_system_without_symbolic_links_gets_hard_ones(volume, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)

    selection = published(volume, {"vae/model.bin": CONTENT})

    link = volume.view(selection) / "vae/model.bin"
    assert link.samefile(volume.blob(selection.files[0]))
    assert not link.is_symlink()
    assert volume.complete(selection)


def test_publishing_what_is_not_there_is_refused(volume):
    with pytest.raises(VolumeUnusable, match=r"lost model\.safetensors"):
        volume.publish(selection_of(weight_file(CONTENT)))


def test_publishing_mends_a_view(volume):
    selection = published(volume, {"a.bin": b"a", "b.bin": b"b"})
    (volume.view(selection) / "a.bin").unlink()
    (volume.view(selection) / "b.bin").unlink()
    (volume.view(selection) / "b.bin").symlink_to("nowhere")

    volume.publish(selection)

    assert volume.complete(selection)


def truncate(volume, selection):
    blob = volume.blob(selection.files[1])
    overwrite(blob, blob.read_bytes()[:-1])


BREAKS = {
    "truncated blob": truncate,
    "missing blob": lambda volume, selection: volume.blob(selection.files[0]).unlink(),
    "missing link": lambda v, s: (v.view(s) / s.files[0].path).unlink(),
    "folder for a file": lambda v, s: (
        (v.view(s) / s.files[0].path).unlink(),
        (v.view(s) / s.files[0].path).mkdir(),
    ),
    "no marker": lambda v, _: (v.root / "models/tiny/default.json").unlink(),
    "torn marker": lambda v, _: (v.root / "models/tiny/default.json").write_text('{"files": ['),
    "odd marker": lambda v, _: (v.root / "models/tiny/default.json").write_text("[1]"),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_complete_finds(volume, fault):
    selection = published(volume, {f"{n}.bin": b"x" * (n + 1) for n in range(3)})
    assert volume.complete(selection)

    BREAKS[fault](volume, selection)

    assert not volume.complete(selection)


def test_complete_finds_a_marker_of_another_revision(volume):
    selection = published(volume, {"a.bin": b"a", "b.bin": b"b"})

    assert not volume.complete(selection_of(selection.files[0]))


def test_complete_looks_once_at_each_file_and_reads_one(volume, monkeypatch):
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
    said = run_on_small_disk("""
volume = opened(disk / "volume")
selection = published(volume, {"a.bin": b"a"})
mount("-o", "remount,ro")
print(volume.complete(selection), (volume.view(selection) / "a.bin").read_bytes())
""")

    assert said == "True b'a'\n"


@pytest.mark.parametrize("before", ["", "opened(disk / 'volume')"], ids=["empty", "filled"])
def test_a_read_only_volume_cannot_be_opened(before):
    said = run_on_small_disk(f"""
from weights.errors import VolumeUnusable
{before}
mount("-o", "remount,ro")
try:
    opened(disk / "volume")
except VolumeUnusable as error:
    print(error)
""")

    assert "volume" in said


def test_a_full_disk_names_what_is_needed_and_free():
    said = run_on_small_disk(
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

    assert "needed 0.05 GB, free 0.00 GB" in said


def test_the_hub_and_torch_have_homes_on_the_volume(volume):
    assert volume.hub_home.is_dir()
    assert volume.torch_home.is_dir()
    assert volume.free_bytes() > 0


def test_a_folder_that_cannot_be_synced_is_no_fault_and_a_disk_that_cannot_is(volume, monkeypatch):
    def refuse(code):
        def fsync(_):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fsync)

    refuse(errno.EIO)
    with pytest.raises(VolumeUnusable, match="Input/output"):
        put(volume, weight_file(CONTENT), CONTENT)

    refuse(errno.EINVAL)
    put(volume, weight_file(CONTENT), CONTENT)
    assert volume.holds(weight_file(CONTENT))


def test_a_folder_where_the_marker_should_be_is_named_and_no_scratch_is_left(volume):
    (volume.root / "models/tiny/default.json").mkdir(parents=True)

    with pytest.raises(VolumeUnusable, match=r"default\.json"):
        published(volume, {"a.bin": b"a"})
    assert list((volume.root / "partial").iterdir()) == []


def test_the_room_of_a_volume_that_is_still_to_be_made_is_known(tmp_path):
    assert Volume(tmp_path / "not" / "yet").free_bytes() > 0
