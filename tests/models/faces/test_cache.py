import os
from dataclasses import astuple

import numpy as np
import pytest

from models.faces import cache
from models.faces.box import Box
from models.faces.tracking.speaker_selection import Largest
from models.faces.tracking.tracker import Follower
from tests.models.faces.script import FRAME, Script

FACE = Box(40, 40, 20, 20, tuple((45.0 + n, 50.0) for n in range(5)))
SEEN = [[FACE], [], [FACE], [], [FACE], *[[]] * 20, [FACE]]


class PointScript(Script):
    def face(self, box):
        return box


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "boxes"


def run(folder, *, key="clip", seen=SEEN, count=None, **options):
    """Follow through the cache; gives what was seen, the counts, and the searches it took."""
    script = PointScript(*seen, cuts=(4,))
    follower = Follower(script, Largest(), fps=25)
    boxes = cache.BoxCache(folder, **options)
    frames = script.frames()
    sights = boxes.follow(frames, follower, key, count=count or len(seen))
    told = [(one.box, one.cut, one.bridged) for one in sights]
    return told, astuple(follower.counts), script.whole + script.searched


def test_a_clip_once_followed_is_not_searched_again(folder):
    first, counts, searches = run(folder)

    assert run(folder) == (first, counts, 0)
    assert searches > 0
    assert {flag for _, *flags in first for flag in flags} == {True, False}


def test_what_is_known_of_a_longer_run_serves_for_a_shorter_one(folder):
    first, *_ = run(folder)

    again, _, searches = run(folder, seen=SEEN[:4], count=4)

    assert (again, searches) == (first[:4], 0)


def test_a_longer_run_is_followed_and_replaces_the_shorter(folder):
    run(folder, seen=SEEN[:4])

    assert run(folder)[2] > 0
    assert run(folder)[2] == 0


def test_a_run_that_was_broken_off_leaves_nothing(folder):
    run(folder, count=len(SEEN) + 1)

    assert not folder.exists()


def test_another_key_is_another_clip(folder):
    run(folder)

    assert run(folder, key="other")[2] > 0


def test_the_key_depends_on_the_content_and_the_rules_not_on_the_name(tmp_path):
    one, copy, other = (tmp_path / name for name in "abc")
    for path, content in ((one, b"clip"), (copy, b"clip"), (other, b"klip")):
        path.write_bytes(content)

    assert cache.key(one, "haar", 25) == cache.key(copy, "haar", 25)
    assert len({cache.key(one, "a", "b"), cache.key(other, "a", "b"), cache.key(one, "ab")}) == 3


def test_no_damage_of_a_file_is_more_than_a_miss(folder):
    whole = run(folder)[0]
    (path,) = folder.iterdir()
    good = path.read_bytes()

    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 255]) + good[place + 1 :])
        assert run(folder)[0] == whole


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"<html>", b"\x93NUMPY"], ids=repr)
def test_a_file_that_is_none_is_written_anew(folder, content):
    whole = run(folder)[0]
    (path,) = folder.iterdir()
    path.write_bytes(content)

    assert run(folder)[0] == whole
    assert run(folder)[2] == 0


def test_a_table_of_another_width_is_written_anew(folder):
    run(folder)
    (path,) = folder.iterdir()
    np.savez_compressed(path, rows=np.zeros((99, 3)))

    assert run(folder)[2] > 0


def test_the_files_not_used_for_longest_are_removed(folder):
    for place, name in enumerate("abc"):
        run(folder, key=name)
        os.utime(folder / f"{name}.npz", (place, place))
    size = (folder / "a.npz").stat().st_size
    run(folder, key="a")

    run(folder, key="d", max_bytes=3 * size + 9)

    assert {path.stem for path in folder.iterdir()} == {"a", "c", "d"}


def test_a_file_that_vanishes_meanwhile_is_no_harm(folder):
    folder.mkdir()
    (folder / "gone.npz").symlink_to(folder / "nowhere")

    run(folder)

    assert run(folder)[2] == 0


def test_a_folder_that_cannot_be_written_is_only_no_help(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")

    assert len(run(blocked)[0]) == len(SEEN)


def test_nothing_is_written_through_a_link_that_lay_there_before(folder, tmp_path):
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (folder / f"clip.{os.getpid()}.part").symlink_to(victim)

    run(folder)

    assert victim.read_text() == "mine"
    assert run(folder)[2] == 0


def test_frames_come_out_as_they_went_in(folder):
    run(folder)
    script = PointScript(*SEEN)
    frames = [FRAME.copy() for _ in SEEN]

    sights = cache.BoxCache(folder).follow(
        iter(frames), Follower(script, Largest(), fps=25), "clip", count=len(SEEN)
    )

    assert all(one.frame is frame for one, frame in zip(sights, frames, strict=True))
