from __future__ import annotations

import threading

import pytest

from tests.weights.volume_helpers import (
    opened,
    overwrite,
    published,
    put,
    run_on_small_disk,
    selection_of,
    weight_file,
)
from weights.errors import PullStopped
from weights.volume.verify import BadFile, BadFileReason, verify

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


def test_correct_files_are_not_reported(volume, selection):
    assert verify(selection, volume) == []
    assert volume.complete(selection)


def test_a_flipped_byte_is_detected_and_the_file_removed(volume, selection):
    flip(volume, selection.files[1])
    assert volume.complete(selection)

    assert verify(selection, volume) == [
        BadFile("vae/b.bin", BadFileReason.WRONG_BYTES, removed=True)
    ]

    assert not volume.complete(selection)
    assert volume.missing(selection) == [selection.files[1]]


def test_a_hard_link_of_another_project_to_a_bad_file_stays(volume, selection, tmp_path):
    blob = volume.blob(selection.files[0])
    (tmp_path / "theirs").hardlink_to(blob)
    flip(volume, selection.files[0])

    assert verify(selection, volume)[0].removed
    assert (tmp_path / "theirs").exists()


def test_truncated_and_missing_files_are_distinguished(volume, selection):
    overwrite(volume.blob(selection.files[0]), b"short")
    volume.blob(selection.files[1]).unlink()

    assert verify(selection, volume) == [
        BadFile("a.bin", BadFileReason.WRONG_SIZE, removed=True),
        BadFile("vae/b.bin", BadFileReason.MISSING),
    ]


def test_a_file_without_a_link_in_the_snapshot_is_reported(volume, selection):
    (volume.snapshot(selection) / "a.bin").unlink()

    assert verify(selection, volume) == [BadFile("a.bin", BadFileReason.NOT_LINKED)]
    assert volume.blob(selection.files[0]).exists()


def test_a_file_without_a_digest_is_compared_with_the_recorded_one(volume):
    file = weight_file(b"content", known=False)
    put(volume, file, b"content")
    selection = selection_of(file)
    volume.publish(selection)
    assert verify(selection, volume) == []

    flip(volume, file)

    assert verify(selection, volume) == [
        BadFile(file.path, BadFileReason.WRONG_BYTES, removed=True)
    ]
    assert not volume.holds(file)


def test_a_locked_file_is_not_removed(volume, selection):
    flip(volume, selection.files[0])

    with volume.lock(selection.files[0]):
        assert verify(selection, volume) == [
            BadFile("a.bin", BadFileReason.WRONG_BYTES, removed=False)
        ]


def test_progress_ends_with_all_bytes(volume, selection):
    reports = []

    verify(selection, volume, reports.append)

    assert reports[-1].done_bytes == reports[-1].total_bytes == 5_000_000
    assert {report.file for report in reports} <= set(CONTENTS)


def test_a_stop_ends_the_verification_and_reports_no_file(volume, selection):
    stop = threading.Event()
    stop.set()

    with pytest.raises(PullStopped):
        verify(selection, volume, stop=stop)
    assert volume.complete(selection)


def test_on_a_read_only_volume_bad_files_are_reported_and_not_removed():
    output = run_on_small_disk("""
from weights.volume.verify import verify
volume = opened(disk / "volume")
selection = published(volume, {"a.bin": b"a", "b.bin": b"b"})
overwrite(volume.blob(selection.files[0]), b"!")
mount("-o", "remount,ro")
print(*[(bad.path, str(bad.reason), bad.removed) for bad in verify(selection, volume)])
""")

    assert output == "('a.bin', 'wrong_bytes', False)\n"


def test_an_exception_in_the_progress_callback_ends_the_verification(volume, selection):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(selection, volume, interrupt)
    assert volume.complete(selection)
