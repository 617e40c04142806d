import pytest

from models.faces.box import Box
from models.faces.tracking.matcher import FaceMatcher
from models.faces.tracking.speaker_selection import FaceAtIndex, LargestFace
from tests.models.faces.scripted_detector import ScriptedDetector

FACE = Box(40, 40, 20, 20)
LARGER = Box(105, 50, 30, 30)


def found(detector, selector=LargestFace(), *, search_every=25, max_missed=5, lost_search_every=3):  # noqa: B008
    matcher = FaceMatcher(
        detector,
        selector,
        search_every=search_every,
        max_missed=max_missed,
        lost_search_every=lost_search_every,
    )
    return [matcher.match(frame) for frame in detector.frames()]


def test_the_selected_face_is_kept_when_a_larger_one_appears():
    detector = ScriptedDetector([FACE], *[[FACE, LARGER]] * 40)

    assert set(found(detector)) == {FACE}


def test_a_missed_frame_does_not_switch_to_a_neighbor():
    detector = ScriptedDetector(*[[FACE, LARGER]] * 3, [FACE], [FACE], [LARGER, FACE])

    assert found(detector) == [*[LARGER] * 3, None, None, LARGER]


def test_after_too_many_missed_frames_a_face_is_selected_again():
    detector = ScriptedDetector([LARGER], *[[FACE]] * 8)

    boxes = found(detector, max_missed=3, lost_search_every=1)

    assert boxes == [LARGER, *[None] * 4, *[FACE] * 4]


def test_after_a_reset_a_face_is_selected_again_at_once():
    detector = ScriptedDetector([FACE], [FACE, LARGER])
    matcher = FaceMatcher(detector, LargestFace(), search_every=25, max_missed=5)
    frames = detector.frames()
    matcher.match(next(frames))

    matcher.reset()

    assert matcher.match(next(frames)) == LARGER


def test_two_people_who_pass_each_other_stay_apart():
    left = [Box(20 + 2 * step, 40, 20, 20) for step in range(40)]
    right = [Box(100 - 2 * step, 62, 20, 20) for step in range(40)]

    boxes = found(
        ScriptedDetector(*map(list, zip(left, right, strict=True))), FaceAtIndex(0), search_every=1
    )

    assert boxes == left


def test_an_index_beyond_the_last_face_matches_nothing():
    assert found(ScriptedDetector([FACE], [FACE]), FaceAtIndex(1)) == [None, None]


def test_whole_frames_are_searched_only_every_so_many_frames():
    detector = ScriptedDetector(*[[FACE]] * 51)

    found(detector, search_every=25)

    assert detector.whole_searches == 3


@pytest.mark.parametrize("max_missed", [0, 3])
def test_while_no_face_is_known_each_third_frame_is_searched(max_missed):
    detector = ScriptedDetector(*[[]] * 9)

    found(detector, max_missed=max_missed)

    assert detector.whole_searches == 3


def test_a_face_that_only_the_near_search_finds_is_kept_at_the_next_whole_search():
    detector = ScriptedDetector(*[[FACE]] * 6)
    detector.detect_once, detect = True, detector.detect
    detector.detect = lambda frame, min_width=0: (
        detect(frame) if detector.whole_searches == 0 else []
    )

    assert found(detector, search_every=2) == [FACE] * 6


def test_a_face_that_moves_by_half_its_width_in_a_frame_is_the_same():
    path = [Box(10 + 12 * step, 40, 20, 20) for step in range(14)]

    assert found(ScriptedDetector(*[[face, Box(0, 0, 15, 15)] for face in path])) == path
