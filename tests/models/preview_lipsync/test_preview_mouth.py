import cv2
import numpy as np
import pytest

from models.faces.box import Box
from models.faces.detection.haar import HaarDetector
from models.faces.detection.tilted import TiltedDetector
from models.faces.tracking.tracked_frame import TrackedFrame
from models.mouth.mouth import Mouth, default_mouth, detect_mouth
from models.mouth.mouth_tracker import MouthTracker
from tests.models.preview_lipsync.preview_media import FACES

CORNERS = {"portrait": ((229, 280), (311, 277)), "smiling": ((203, 139), (245, 140))}


@pytest.fixture(scope="module")
def detector():
    return HaarDetector()


def corners(mouth):
    return (mouth.x - mouth.dx, mouth.y - mouth.dy), (mouth.x + mouth.dx, mouth.y + mouth.dy)


def changed(photo, change):
    height, width = photo.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 3), 8, 1)
    return {
        "as it is": lambda: photo,
        "dark": lambda: (photo * 0.5).astype(np.uint8),
        "large": lambda: cv2.resize(photo, None, fx=2, fy=2),
        "turned": lambda: cv2.warpAffine(photo, turn, (width, height)),
    }[change]()


@pytest.mark.parametrize("name", FACES)
def test_the_corners_of_the_mouth_are_detected(detector, name):
    photo = cv2.imread(str(FACES[name].path))
    box = detector.detect(photo)[0]

    found = corners(detect_mouth(photo, box))

    assert np.abs(np.array(found) - CORNERS[name]).max() < 0.05 * box.w


@pytest.mark.parametrize("change", ["as it is", "dark", "large", "turned"])
@pytest.mark.parametrize(("name", "teeth"), [("portrait", 0), ("smiling", 1)])
def test_visible_teeth_are_detected(detector, name, teeth, change):
    photo = changed(cv2.imread(str(FACES[name].path)), change)

    mouth = detect_mouth(photo, detector.detect(photo)[0])

    assert mouth.teeth == teeth
    assert (mouth.bow > 0.25) == bool(teeth)


def test_a_turned_face_has_a_turned_mouth(detector, smiling):
    photo = changed(smiling, "turned")

    mouth = detect_mouth(photo, detector.detect(photo)[0])

    assert mouth.dy / mouth.dx < -0.03


@pytest.mark.parametrize("degrees", [-90, -25, 25, 90])
@pytest.mark.parametrize("name", FACES)
def test_the_mouth_of_a_tilted_face_is_tilted_with_it(name, degrees):
    detector, photo = TiltedDetector(HaarDetector()), cv2.imread(str(FACES[name].path))
    box = detector.detect(photo)[0]
    side = int(np.hypot(*photo.shape[:2]))
    turn = cv2.getRotationMatrix2D(box.center, -degrees, 1)
    turn[:, 2] += side / 2 - np.array(box.center)
    tilted = cv2.warpAffine(photo, turn, (side, side), borderValue=(90, 110, 100))

    found = corners(detect_mouth(tilted, detector.detect(tilted)[0]))

    wanted = np.column_stack([CORNERS[name], [1, 1]]) @ turn.T
    assert np.abs(np.array(found) - wanted).max() < 0.07 * box.w


def test_a_mouth_moves_and_turns_with_the_face():
    before, after = Box(100, 100, 80, 80), Box(200, 100, 80, 80, angle=90)

    moved = Mouth(140, 163, 15, 0, 0.1, 0).moved_with(before, after)

    assert moved.vector == pytest.approx((217, 140, 0, 15, 0.1, 0))


@pytest.mark.parametrize(("across", "down"), [(0, -0.13), (0.13, 0.02), (0.1, -0.12)])
def test_after_a_short_loss_the_mouth_is_back_on_the_face_in_a_fifth_of_a_second(
    detector, smiling, across, down
):
    """The face was tracked in a box beside it and is found again in its own: all mouths there are
    far from the expected one.
    """
    box, tracker = detector.detect(smiling)[0], MouthTracker()
    beside = box.moved(across * box.w, down * box.w)
    boxes = [(beside, False)] * 10 + [(box, True)] * 5 + [(box, False)] * 60

    mouths = [tracker(TrackedFrame(smiling, at, interpolated=lost)) for at, lost in boxes]

    true = detect_mouth(smiling, box)
    off = [max(abs(mouth.x - true.x), abs(mouth.y - true.y)) for mouth in mouths[15 + 5 :]]
    assert max(off) < 0.05 * box.w


def test_the_mouth_follows_outliers_that_agree(detector, smiling):
    """At first the line below the nose is taken for the mouth, for the box is too high."""
    box, tracker = detector.detect(smiling)[0], MouthTracker()
    high = box.moved(0, -0.25 * box.w)
    boxes = [(high, False)] * 10 + [(box, True)] * 5 + [(box, False)] * 60

    mouths = [tracker(TrackedFrame(smiling, at, interpolated=lost)) for at, lost in boxes]

    true = detect_mouth(smiling, box)
    off = [max(abs(mouth.x - true.x), abs(mouth.y - true.y)) / box.w for mouth in mouths[15:]]
    assert min(off[:4]) > 0.12
    assert max(off[4:]) < 0.02


def test_a_single_outlier_does_not_move_the_mouth(detector, smiling):
    box, tracker = detector.detect(smiling)[0], MouthTracker()
    covered = smiling.copy()
    covered[130:150, 195:250] = covered[170:190, 195:250]
    frames = [*[smiling] * 10, covered, *[smiling] * 10]

    mouths = [tracker(TrackedFrame(frame, box)) for frame in frames]

    assert max(abs(mouth.y - mouths[0].y) for mouth in mouths) < 0.03 * box.w


def test_no_mouth_is_detected_in_a_plain_area():
    assert detect_mouth(np.full((200, 200, 3), 150, np.uint8), Box(20, 20, 150, 150)) is None


def test_the_default_mouth_is_in_the_lower_middle_of_the_face():
    mouth = default_mouth(Box(100, 100, 200, 200))

    assert (mouth.x, mouth.y) == pytest.approx((200, 260))
    assert mouth.guessed
    assert 30 < mouth.half < 45


def test_a_mouth_at_the_edge_of_the_frame_does_not_fail(smiling):
    detect_mouth(smiling, Box(450, 450, 100, 100))


def test_an_interpolated_mouth_moves_with_the_face(detector, smiling):
    box, tracker = detector.detect(smiling)[0], MouthTracker()
    before = tracker(TrackedFrame(smiling, box))

    after = tracker(TrackedFrame(smiling, Box(box.x + 3, box.y, box.w, box.h), interpolated=True))

    assert before.x < after.x <= before.x + 3


def test_a_frame_without_a_face_has_no_mouth(smiling):
    assert MouthTracker()(TrackedFrame(smiling, None)) is None
