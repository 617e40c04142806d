import numpy as np
import pytest

from models.faces.box import Box
from models.faces.track import Tracker, follow

FRAME = np.zeros((100, 100, 3), np.uint8)
FACE = Box(40, 40, 20, 20)
LARGER = Box(5, 60, 30, 30)


class Script:
    """A detector that plays back what is to be seen, and counts the searches."""

    def __init__(self, *seen):
        self.seen = list(seen)
        self.frame = -1
        self.whole = 0

    def frames(self):
        for frame in range(len(self.seen)):
            self.frame = frame
            yield FRAME

    def detect(self, frame, *, smallest=0):
        self.whole += 1
        wide = [box for box in self.seen[self.frame] if box.w >= smallest]
        return sorted(wide, key=lambda box: -box.area)

    def detect_near(self, frame, last):
        return [box for box in self.seen[self.frame] if box.iou(last) > 0]


def boxes(script, **options):
    return [sight.box for sight in follow(script.frames(), Tracker(script, **options))]


def test_the_largest_face_is_followed():
    script = Script([FACE, LARGER])

    assert boxes(script) == [LARGER]


def test_the_face_once_chosen_is_kept_when_a_larger_one_appears():
    script = Script([FACE], *[[FACE, LARGER]] * 40)

    found = boxes(script)

    assert all(box.iou(FACE) > 0.9 for box in found)


def test_whole_frames_are_searched_now_and_then_only():
    script = Script(*[[FACE]] * 51)

    boxes(script, every=25)

    assert script.whole == 3


def test_a_short_gap_is_bridged_in_a_straight_line():
    script = Script([FACE], [], [], [], [Box(44, 40, 20, 20)])

    sights = list(follow(script.frames(), Tracker(script, lost_every=1)))

    assert [sight.box.x for sight in sights] == pytest.approx([40, 41, 42, 43, 44])
    assert [sight.seen for sight in sights] == [True, False, False, False, True]


def test_a_long_gap_stays_faceless():
    script = Script([FACE], *[[]] * 6, [FACE])

    found = boxes(script, lost_every=1)

    assert [box is None for box in found] == [False, *[True] * 6, False]


def test_another_face_after_a_gap_is_no_bridge():
    script = Script([FACE], [], [LARGER])

    found = boxes(script, lost_every=1)

    assert found == [FACE, None, LARGER]


def test_frames_before_the_first_and_after_the_last_face_are_faceless():
    script = Script([], [FACE], [])

    found = boxes(script, lost_every=1)

    assert found == [None, FACE, None]


def test_while_no_face_is_known_each_third_frame_is_searched():
    script = Script(*[[]] * 9)

    boxes(script)

    assert script.whole == 3
