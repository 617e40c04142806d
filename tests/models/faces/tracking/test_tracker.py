import tracemalloc
from dataclasses import astuple
from fractions import Fraction

import cv2
import numpy as np
import pytest

from models.faces.box import Box
from models.faces.detection.haar import HaarDetector
from models.faces.tracking.speaker_selection import (
    CentralFace,
    FaceAtIndex,
    FaceInBox,
    LargestFace,
)
from models.faces.tracking.tracker import FaceTracker
from tests.models.faces.scripted_detector import ScriptedDetector

FACE = Box(40, 40, 20, 20)
AWAY = Box(140, 60, 20, 20)
FPS = 25


def track(detector, selector=LargestFace(), **options):  # noqa: B008
    tracker = FaceTracker(detector, selector, **{"fps": FPS, "smoothing": 0, **options})
    return list(tracker.track(detector.frames())), astuple(tracker.counts)


def lefts(seen):
    return [None if one.box is None else round(one.box.x, 3) for one in seen]


def test_boxes_are_the_face_rectangles_of_the_detector():
    seen, _ = track(ScriptedDetector([FACE]))

    assert seen[0].box.vector == (50, 50.5, 20, 21, 0)


def test_a_photo_is_tracked_as_one_frame():
    seen, counts = track(ScriptedDetector([FACE]), smoothing=1)

    assert len(seen) == 1
    assert (seen[0].cut, seen[0].interpolated) == (False, False)
    assert counts == (1, 1, 0, 0, 0)


def test_a_gap_of_half_a_second_is_interpolated_linearly():
    detector = ScriptedDetector([FACE], *[[]] * 12, [Box(53, 40, 20, 20)])

    seen, counts = track(detector)

    assert lefts(seen) == [40 + step for step in range(14)]
    assert [one.interpolated for one in seen] == [False, *[True] * 12, False]
    assert counts == (14, 2, 12, 0, 0)


@pytest.mark.parametrize(("fps", "bridged"), [(Fraction(30000, 1001), True), (10, False)])
def test_the_length_of_a_gap_is_measured_in_seconds(fps, bridged):
    seen, _ = track(ScriptedDetector([FACE], *[[]] * 12, *[[FACE]] * 3), fps=fps)

    assert seen[3].interpolated is bridged


def test_a_longer_gap_stays_without_a_face():
    seen, counts = track(ScriptedDetector([FACE], *[[]] * 14, [FACE]))

    assert lefts(seen) == [40, *[None] * 14, 40]
    assert counts == (16, 2, 0, 14, 0)


def test_a_gap_is_not_filled_if_the_face_returns_elsewhere():
    seen, _ = track(ScriptedDetector([FACE], *[[]] * 3, *[[AWAY]] * 60))

    assert not any(one.interpolated for one in seen)
    assert lefts(seen)[-1] == AWAY.x


def test_no_gap_is_filled_across_a_cut():
    seen, counts = track(ScriptedDetector([FACE], [], [], [], [], [FACE], cuts=(2,)))

    assert lefts(seen) == [40, None, None, None, None, 40]
    assert [one.cut for one in seen] == [False, False, True, False, False, False]
    assert counts == (6, 2, 0, 4, 1)


def test_after_a_cut_a_face_is_selected_again():
    both = [FACE, Box(130, 30, 40, 40)]

    seen, _ = track(ScriptedDetector([FACE], both, both, both, cuts=(2,)))

    assert lefts(seen) == [40, 40, 130, 130]


def test_frames_before_the_first_and_after_the_last_face_stay_without_a_face():
    seen, counts = track(ScriptedDetector([], [], [], [FACE], []))

    assert lefts(seen) == [None, None, None, 40, None]
    assert counts == (5, 1, 0, 4, 0)


def test_a_video_without_a_frame_or_a_face_is_tracked_to_its_end():
    assert track(ScriptedDetector()) == ([], (0, 0, 0, 0, 0))
    assert track(ScriptedDetector(*[[]] * 40))[1] == (40, 0, 0, 40, 0)


def test_counts_restart_with_each_video_and_cover_the_frames_returned_so_far():
    detector = ScriptedDetector(*[[FACE]] * 8)
    tracker = FaceTracker(detector, LargestFace(), fps=FPS)
    list(tracker.track(detector.frames()))

    stream = tracker.track(detector.frames())
    next(stream)

    assert tracker.counts.frames == 1


@pytest.mark.parametrize("gap", [0, 12, 13])
def test_memory_does_not_depend_on_the_length(gap):
    def peak(count):
        faces = [[FACE] if place % 40 >= gap else [] for place in range(count)]
        detector = ScriptedDetector(*faces)
        frames = (frame.copy() for frame in detector.frames())
        tracemalloc.start()
        for _ in FaceTracker(detector, LargestFace(), fps=FPS).track(frames):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(600) < 1.1 * peak(100)


def test_the_fingerprint_covers_every_option_that_boxes_depend_on():
    def fingerprint(selector=LargestFace(), **options):  # noqa: B008
        return FaceTracker(ScriptedDetector(), selector, **{"fps": FPS, **options}).fingerprint

    others = [
        fingerprint(FaceAtIndex(1)),
        fingerprint(FaceAtIndex(2)),
        fingerprint(FaceInBox(FACE)),
        fingerprint(fps=30),
        fingerprint(smoothing=0.2),
        fingerprint(search_every=5),
    ]

    assert fingerprint() == fingerprint()
    assert len({fingerprint(), *others}) == 7


# What follows uses real faces and the Haar cascade.


@pytest.fixture(scope="module")
def detector():
    return HaarDetector()


@pytest.fixture(scope="module")
def two_people(smiling, portrait):
    """A woman on the left, 40 pixels lower; another on the right, larger."""
    picture = np.full((400, 640, 3), 90, np.uint8)
    picture[60:380, :300] = cv2.resize(smiling[:342, 80:400], (300, 320))
    picture[:400, 300:] = cv2.resize(portrait[40:440, 48:388], (340, 400))
    return picture


@pytest.fixture(scope="module")
def title():
    return cv2.putText(np.zeros((400, 640, 3), np.uint8), "TITLE", (90, 250), 0, 4, (255,) * 3, 9)


def seen_in(frames, detector, selector=LargestFace(), **options):  # noqa: B008
    tracker = FaceTracker(detector, selector, **{"fps": FPS, **options})
    return list(tracker.track(iter(frames))), tracker.counts


def turned(picture, degrees, shift=0.0):
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    turn[0, 2] += shift
    return cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize(
    ("selector", "side"),
    [
        (LargestFace(), "right"),
        (FaceAtIndex(0), "left"),
        (FaceAtIndex(1), "right"),
        (FaceInBox(Box(60, 80, 120, 120)), "left"),
        (CentralFace(), "left"),
    ],
    ids=repr,
)
def test_of_two_people_the_selected_one_is_tracked(detector, two_people, selector, side):
    frames = [turned(two_people, 2 * np.sin(step / 3)) for step in range(12)]

    seen, counts = seen_in(frames, detector, selector)

    assert counts.with_face == 12
    assert {"left" if one.box.center[0] < 300 else "right" for one in seen} == {side}


def test_a_title_card_between_two_scenes_gives_two_cuts(detector, two_people, title):
    frames = [*[two_people] * 4, *[title] * 20, *[two_people] * 4]

    seen, counts = seen_in(frames, detector, FaceAtIndex(1))

    assert astuple(counts) == (28, 8, 0, 20, 2)
    assert [place for place, one in enumerate(seen) if one.cut] == [4, 24]
    assert all(one.frame is frame for one, frame in zip(seen, frames, strict=True))


def test_in_another_scene_another_face_is_selected(detector, two_people, smiling):
    other = cv2.resize(smiling[:320], (640, 400))

    seen, _ = seen_in([*[two_people] * 3, *[other] * 3], detector)

    assert seen[3].cut
    assert seen[3].box.iou(seen[5].box) > 0.8
    assert seen[3].box.iou(seen[2].box) < 0.3


def test_a_gap_behind_a_hand_is_filled(detector, smiling):
    hidden = smiling.copy()
    hidden[60:180, 170:290] = (120, 140, 190)

    seen, counts = seen_in([*[smiling] * 3, *[hidden] * 6, *[smiling] * 3], detector)

    assert astuple(counts) == (12, 6, 6, 0, 0)
    assert seen[5].box.iou(seen[0].box) > 0.9


def test_a_head_in_fast_motion_is_tracked(detector, smiling):
    shifts = [40 * np.sin(step / 2.5) for step in range(40)]
    frames = [turned(smiling, 0, shift) for shift in shifts]

    seen, counts = seen_in(frames, detector)

    middle = [one.box.center[0] - shift for one, shift in zip(seen, shifts, strict=True)]
    assert (counts.with_face, counts.cuts) == (40, 0)
    assert np.abs(np.array(middle) - np.median(middle)).max() < 0.08 * seen[0].box.w


def test_a_tilted_head_is_tracked(detector, smiling):
    frames = [turned(smiling, 12 * np.sin(step / 6)) for step in range(30)]

    seen, counts = seen_in(frames, detector)

    assert counts.without_face == 0
    assert all(one.box.is_near(seen[0].box) for one in seen)
