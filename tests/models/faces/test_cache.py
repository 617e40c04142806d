import os
from dataclasses import astuple

import numpy as np
import pytest

from models.faces import cache
from models.faces.box import Box
from models.faces.tracking.speaker_selection import LargestFace
from models.faces.tracking.tracker import FaceTracker
from tests.models.faces.scripted_detector import FRAME, ScriptedDetector

FACE = Box(40, 40, 20, 20, tuple((45.0 + n, 50.0) for n in range(5)))
SEEN = [[FACE], [], [FACE], [], [FACE], *[[]] * 20, [FACE]]


class DetectorWithPoints(ScriptedDetector):
    def face_box(self, box):
        return box


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "boxes"


def run(folder, *, key="clip", seen=SEEN, count=None, **options):
    """Track through the cache; return the boxes, the counts, and the number of searches."""
    detector = DetectorWithPoints(*seen, cuts=(4,))
    tracker = FaceTracker(detector, LargestFace(), fps=25)
    tracks = cache.FaceTrackCache(folder, **options)
    tracked = tracks.track(detector.frames(), tracker, key, count=count or len(seen))
    found = [(one.box, one.cut, one.interpolated) for one in tracked]
    return found, astuple(tracker.counts), detector.whole_searches + detector.near_searches


def test_a_tracked_video_is_not_searched_again(folder):
    first, counts, searches = run(folder)

    assert run(folder) == (first, counts, 0)
    assert searches > 0
    assert {flag for _, *flags in first for flag in flags} == {True, False}


def test_an_entry_of_a_longer_run_is_a_hit_for_a_shorter_one(folder):
    first, *_ = run(folder)

    again, _, searches = run(folder, seen=SEEN[:4], count=4)

    assert (again, searches) == (first[:4], 0)


def test_a_longer_run_is_a_miss_and_replaces_the_entry(folder):
    run(folder, seen=SEEN[:4])

    assert run(folder)[2] > 0
    assert run(folder)[2] == 0


def test_an_interrupted_run_writes_nothing(folder):
    run(folder, count=len(SEEN) + 1)

    assert not folder.exists()


def test_another_key_is_a_miss(folder):
    run(folder)

    assert run(folder, key="other")[2] > 0


def test_the_key_depends_on_the_content_and_the_options_not_on_the_file_name(tmp_path):
    one, copy, other = (tmp_path / name for name in "abc")
    for path, content in ((one, b"clip"), (copy, b"clip"), (other, b"klip")):
        path.write_bytes(content)

    assert cache.cache_key(one, "haar", 25) == cache.cache_key(copy, "haar", 25)
    assert (
        len(
            {
                cache.cache_key(one, "a", "b"),
                cache.cache_key(other, "a", "b"),
                cache.cache_key(one, "ab"),
            }
        )
        == 3
    )


def test_any_damaged_byte_of_a_file_is_only_a_miss(folder):
    whole = run(folder)[0]
    (path,) = folder.iterdir()
    good = path.read_bytes()

    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 255]) + good[place + 1 :])
        assert run(folder)[0] == whole


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"<html>", b"\x93NUMPY"], ids=repr)
def test_a_file_that_is_no_archive_is_replaced(folder, content):
    whole = run(folder)[0]
    (path,) = folder.iterdir()
    path.write_bytes(content)

    assert run(folder)[0] == whole
    assert run(folder)[2] == 0


def test_a_table_of_another_width_is_a_miss(folder):
    run(folder)
    (path,) = folder.iterdir()
    np.savez_compressed(path, rows=np.zeros((99, 3)))

    assert run(folder)[2] > 0


def test_the_least_recently_used_files_are_evicted(folder):
    for place, name in enumerate("abc"):
        run(folder, key=name)
        os.utime(folder / f"{name}.npz", (place, place))
    size = (folder / "a.npz").stat().st_size
    run(folder, key="a")

    run(folder, key="d", max_bytes=3 * size + 9)

    assert {path.stem for path in folder.iterdir()} == {"a", "c", "d"}


def test_a_file_that_vanishes_during_eviction_is_ignored(folder):
    folder.mkdir()
    (folder / "gone.npz").symlink_to(folder / "nowhere")

    run(folder)

    assert run(folder)[2] == 0


def test_a_folder_that_cannot_be_written_does_not_fail_the_run(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")

    assert len(run(blocked)[0]) == len(SEEN)


def test_nothing_is_written_through_an_existing_symlink(folder, tmp_path):
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (folder / f"clip.{os.getpid()}.part").symlink_to(victim)

    run(folder)

    assert victim.read_text() == "mine"
    assert run(folder)[2] == 0


def test_cached_tracks_return_the_frames_unchanged(folder):
    run(folder)
    detector = DetectorWithPoints(*SEEN)
    frames = [FRAME.copy() for _ in SEEN]

    tracked = cache.FaceTrackCache(folder).track(
        iter(frames), FaceTracker(detector, LargestFace(), fps=25), "clip", count=len(SEEN)
    )

    assert all(one.frame is frame for one, frame in zip(tracked, frames, strict=True))
