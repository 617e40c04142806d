import cv2
import numpy as np
import pytest

from models.faces.box import Box
from models.faces.detection.haar import HaarDetector

SMILING = Box(177, 66, 97, 97)
PORTRAIT = Box(150, 102, 232, 232)


@pytest.fixture(scope="module")
def detector():
    return HaarDetector()


def test_one_face_is_found_in_a_portrait(detector, portrait):
    boxes = detector.detect(portrait)

    assert len(boxes) == 1
    assert boxes[0].iou(PORTRAIT) > 0.8


def test_a_small_face_is_found_in_a_busy_picture(detector, smiling):
    boxes = detector.detect(smiling)

    assert len(boxes) == 1
    assert boxes[0].iou(SMILING) > 0.8


def test_boxes_are_in_pixels_of_a_large_frame(detector, smiling):
    large = cv2.resize(smiling, None, fx=3, fy=3)

    boxes = detector.detect(large)

    assert boxes[0].iou(Box(531, 198, 291, 291)) > 0.8


def test_the_largest_face_comes_first(detector, smiling):
    small = cv2.resize(smiling, None, fx=0.6, fy=0.6)
    both = np.zeros((512, 512 + small.shape[1], 3), np.uint8)
    both[: small.shape[0], : small.shape[1]] = small
    both[:, small.shape[1] :] = smiling

    boxes = detector.detect(both)

    assert len(boxes) == 2
    assert boxes[0].area > boxes[1].area


def test_faces_narrower_than_the_minimum_are_ignored(detector, smiling):
    assert detector.detect(smiling, min_width=150) == []


def test_a_search_near_the_last_box_finds_the_face_that_moved(detector, smiling):
    moved = Box(SMILING.x + 12, SMILING.y - 8, SMILING.w, SMILING.h)

    boxes = detector.detect_near(smiling, moved)

    assert boxes[0].iou(SMILING) > 0.8


def test_a_search_at_the_edge_of_the_frame_finds_nothing_and_does_not_fail(detector, smiling):
    assert detector.detect_near(smiling, Box(505, 505, 90, 90)) == []


def test_an_image_without_a_face_gives_no_box(detector):
    ramp = np.tile(np.arange(320, dtype=np.uint8), (240, 1))

    assert detector.detect(cv2.cvtColor(ramp, cv2.COLOR_GRAY2BGR)) == []


@pytest.mark.parametrize("shape", [(1920, 1), (1, 1920), (1920, 2), (1, 1)])
def test_a_strip_without_width_gives_no_box(detector, shape):
    """A photo of 64 x 100,000 is scaled to one; the copy that is searched would have no width."""
    assert detector.detect(np.full((*shape, 3), 127, np.uint8)) == []


def test_its_squares_are_extended_to_the_chin(detector, smiling):
    (square,) = detector.detect(smiling)

    face = detector.face_box(square)

    assert face.h > face.w
    assert face.h == pytest.approx(1.15 * square.h)


@pytest.mark.parametrize("light", [0.35, 0.15])
def test_a_face_in_the_dark_is_found(detector, portrait, light):
    (found,) = detector.detect((portrait * light).astype(np.uint8))

    assert found.iou(PORTRAIT) > 0.8


def test_noise_in_a_black_picture_is_no_face(detector):
    noise = np.random.default_rng(0).integers(0, 5, (300, 400, 3), dtype=np.uint8)

    assert detector.detect(noise) == []


def test_the_name_includes_the_version_of_opencv(detector):
    assert cv2.__version__ in detector.name
