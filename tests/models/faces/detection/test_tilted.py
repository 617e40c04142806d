import cv2
import numpy as np
import pytest

from models.faces.box import Box
from models.faces.detection.haar import HaarDetector
from models.faces.detection.tilted import TiltedDetector


class Counting(HaarDetector):
    def __init__(self):
        super().__init__()
        self.searches = 0

    def detect(self, frame, *, min_width=0):
        self.searches += 1
        return super().detect(frame, min_width=min_width)


@pytest.fixture(scope="module")
def detector():
    return TiltedDetector(HaarDetector())


def tilted(picture, degrees, center):
    """The picture with its head tilted clockwise about `center`, on a canvas that holds it."""
    side = int(np.hypot(*picture.shape[:2]))
    turn = cv2.getRotationMatrix2D(center, -degrees, 1)
    turn[:, 2] += side / 2 - np.array(center)
    return cv2.warpAffine(picture, turn, (side, side), borderValue=(90, 110, 100))


@pytest.mark.parametrize("degrees", [-90, -30, -20, -15, 15, 20, 30, 90])
@pytest.mark.parametrize("name", ["portrait", "smiling"])
def test_a_tilted_head_is_found_where_it_is_and_as_tilted_as_it_is(
    request, detector, name, degrees
):
    picture = request.getfixturevalue(name)
    (upright,) = detector.detect(picture)
    turned = tilted(picture, degrees, upright.center)

    found = detector.detect(turned)[0]

    middle = turned.shape[0] / 2
    off = np.hypot(found.center[0] - middle, found.center[1] - middle)
    assert off < 0.12 * upright.w
    assert 0.8 < found.w / upright.w < 1.25
    assert abs(found.angle - degrees) <= 20


def test_an_upright_face_is_searched_once_and_has_no_angle(smiling):
    upright = Counting()

    (found,) = TiltedDetector(upright).detect(smiling)

    assert (upright.searches, found.angle) == (1, 0)


def test_a_picture_without_a_face_is_searched_at_four_more_angles():
    upright = Counting()
    ramp = np.tile(np.arange(320, dtype=np.uint8), (240, 1))

    assert TiltedDetector(upright).detect(cv2.cvtColor(ramp, cv2.COLOR_GRAY2BGR)) == []
    assert upright.searches == 5


def test_boxes_are_in_pixels_of_a_large_frame(detector, smiling):
    (upright,) = detector.detect(smiling)
    large = cv2.resize(tilted(smiling, 25, upright.center), None, fx=3, fy=3)

    found = detector.detect(large)[0]

    assert found.w == pytest.approx(3 * upright.w, rel=0.2)
    assert found.center == pytest.approx((large.shape[1] / 2,) * 2, abs=0.15 * found.w)


@pytest.mark.parametrize("degrees", [-90, -25, 25])
def test_a_search_near_a_tilted_face_finds_it_again(detector, smiling, degrees):
    (upright,) = detector.detect(smiling)
    turned = tilted(smiling, degrees, upright.center)
    (last, *_) = detector.detect(turned)

    (again, *_) = detector.detect_near(turned, last.moved(6, -5))

    assert again.angle == last.angle
    assert again.iou(last) > 0.8


def test_a_search_near_an_upright_face_is_that_of_the_other_detector(detector, smiling):
    box = Box(177, 66, 97, 97)

    assert detector.detect_near(smiling, box) == HaarDetector().detect_near(smiling, box)


def test_a_tilted_face_is_extended_to_its_own_chin(detector):
    face = detector.face_box(Box(100, 100, 80, 80, angle=90))

    assert face.center == pytest.approx((134, 140))
    assert (face.w, face.h) == pytest.approx((67.2, 92))
