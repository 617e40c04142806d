import pytest

from models.faces.box import Box
from models.faces.tracking.matcher import Finder
from models.faces.tracking.speaker_selection import Index, Largest
from tests.models.faces.script import Script

FACE = Box(40, 40, 20, 20)
LARGER = Box(105, 50, 30, 30)


def found(script, choice=Largest(), *, every=25, patience=5, lost_every=3):  # noqa: B008
    finder = Finder(script, choice, every=every, patience=patience, lost_every=lost_every)
    return [finder.find(frame) for frame in script.frames()]


def test_the_face_once_chosen_is_kept_when_a_larger_one_appears():
    script = Script([FACE], *[[FACE, LARGER]] * 40)

    assert set(found(script)) == {FACE}


def test_a_missed_frame_does_not_hand_the_choice_to_a_neighbor():
    script = Script(*[[FACE, LARGER]] * 3, [FACE], [FACE], [LARGER, FACE])

    assert found(script) == [*[LARGER] * 3, None, None, LARGER]


def test_after_its_patience_the_choice_is_made_anew():
    script = Script([LARGER], *[[FACE]] * 8)

    boxes = found(script, patience=3, lost_every=1)

    assert boxes == [LARGER, *[None] * 4, *[FACE] * 4]


def test_a_reset_makes_the_choice_anew_at_once():
    script = Script([FACE], [FACE, LARGER])
    finder = Finder(script, Largest(), every=25, patience=5)
    frames = script.frames()
    finder.find(next(frames))

    finder.reset()

    assert finder.find(next(frames)) == LARGER


def test_two_people_who_pass_each_other_stay_apart():
    left = [Box(20 + 2 * step, 40, 20, 20) for step in range(40)]
    right = [Box(100 - 2 * step, 62, 20, 20) for step in range(40)]

    boxes = found(Script(*map(list, zip(left, right, strict=True))), Index(0), every=1)

    assert boxes == left


def test_a_place_that_nobody_takes_is_nobody():
    assert found(Script([FACE], [FACE]), Index(1)) == [None, None]


def test_whole_frames_are_searched_now_and_then_only():
    script = Script(*[[FACE]] * 51)

    found(script, every=25)

    assert script.whole == 3


@pytest.mark.parametrize("patience", [0, 3])
def test_while_no_face_is_known_each_third_frame_is_searched(patience):
    script = Script(*[[]] * 9)

    found(script, patience=patience)

    assert script.whole == 3


def test_a_face_that_only_the_search_near_by_sees_is_kept_at_the_next_whole_search():
    script = Script(*[[FACE]] * 6)
    script.detect_once, detect = True, script.detect
    script.detect = lambda frame, smallest=0: detect(frame) if script.whole == 0 else []

    assert found(script, every=2) == [FACE] * 6


def test_a_face_that_moves_by_half_its_width_in_a_frame_is_the_same():
    path = [Box(10 + 12 * step, 40, 20, 20) for step in range(14)]

    assert found(Script(*[[face, Box(0, 0, 15, 15)] for face in path])) == path
