from __future__ import annotations

import threading

import pytest

from tests.weights.build import (
    opened,
    overwrite,
    published,
    put,
    run_on_small_disk,
    selection_of,
    weight_file,
)
from weights.errors import PullStopped
from weights.volume.verify import Fault, Flaw, verify

CONTENTS = {"a.bin": b"a" * 3_000_000, "vae/b.bin": b"b" * 2_000_000}


@pytest.fixture
def volume(tmp_path):
    return opened(tmp_path / "volume")


@pytest.fixture
def selection(volume):
    return published(volume, CONTENTS)


def flip(volume, file):
    blob = volume.blob(file)
    content = blob.read_bytes()
    overwrite(blob, content[:-1] + b"!")


def test_right_files_have_no_fault(volume, selection):
    assert verify(selection, volume) == []
    assert volume.complete(selection)


def test_a_flipped_byte_is_found_and_the_file_removed(volume, selection):
    flip(volume, selection.files[1])
    assert volume.complete(selection)

    assert verify(selection, volume) == [Fault("vae/b.bin", Flaw.WRONG_BYTES, removed=True)]

    assert not volume.complete(selection)
    assert volume.missing(selection) == [selection.files[1]]


def test_a_bad_file_of_another_project_stays_where_they_have_it(volume, selection, tmp_path):
    blob = volume.blob(selection.files[0])
    (tmp_path / "theirs").hardlink_to(blob)
    flip(volume, selection.files[0])

    assert verify(selection, volume)[0].removed
    assert (tmp_path / "theirs").exists()


def test_truncated_and_missing_files_are_told_apart(volume, selection):
    overwrite(volume.blob(selection.files[0]), b"short")
    volume.blob(selection.files[1]).unlink()

    assert verify(selection, volume) == [
        Fault("a.bin", Flaw.WRONG_SIZE, removed=True),
        Fault("vae/b.bin", Flaw.MISSING),
    ]


def test_a_file_that_the_view_does_not_lead_to_is_told(volume, selection):
    (volume.view(selection) / "a.bin").unlink()

    assert verify(selection, volume) == [Fault("a.bin", Flaw.NOT_LINKED)]
    assert volume.blob(selection.files[0]).exists()


def test_a_file_without_a_known_digest_is_held_against_the_one_it_came_with(volume):
    file = weight_file(b"content", known=False)
    put(volume, file, b"content")
    selection = selection_of(file)
    volume.publish(selection)
    assert verify(selection, volume) == []

    flip(volume, file)

    assert verify(selection, volume) == [Fault(file.path, Flaw.WRONG_BYTES, removed=True)]
    assert not volume.holds(file)


def test_a_file_that_somebody_is_at_work_on_is_left(volume, selection):
    flip(volume, selection.files[0])

    with volume.lock(selection.files[0]):
        assert verify(selection, volume) == [Fault("a.bin", Flaw.WRONG_BYTES, removed=False)]


def test_progress_ends_with_all_bytes(volume, selection):
    heard = []

    verify(selection, volume, heard.append)

    assert heard[-1].done_bytes == heard[-1].total_bytes == 5_000_000
    assert {look.file for look in heard} <= set(CONTENTS)


def test_a_stop_is_heard_and_no_file_is_blamed_for_it(volume, selection):
    stop = threading.Event()
    stop.set()

    with pytest.raises(PullStopped):
        verify(selection, volume, stop=stop)
    assert volume.complete(selection)


def test_on_a_read_only_volume_faults_are_told_and_nothing_is_removed():
    said = run_on_small_disk("""
from weights.volume.verify import verify
volume = opened(disk / "volume")
selection = published(volume, {"a.bin": b"a", "b.bin": b"b"})
overwrite(volume.blob(selection.files[0]), b"!")
mount("-o", "remount,ro")
print(*[(fault.path, str(fault.flaw), fault.removed) for fault in verify(selection, volume)])
""")

    assert said == "('a.bin', 'wrong_bytes', False)\n"


def test_a_progress_that_raises_ends_it(volume, selection):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(selection, volume, interrupt)
    assert volume.complete(selection)
