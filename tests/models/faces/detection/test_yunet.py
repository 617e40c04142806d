import cv2
import numpy as np
import pytest

from models.errors import WeightsInvalid
from models.faces.box import Box
from models.faces.detection.yunet import YunetDetector
from tests.models.faces.bright_net import FACE, POINTS, bright_net


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("yunet") / "bright ñet.onnx"
    path.write_bytes(bright_net())
    return path


@pytest.fixture(scope="module")
def detector(weights):
    return YunetDetector(weights)


def dark(height, width, *spots, side=8):
    """A dark frame with bright squares at these corners."""
    frame = np.zeros((height, width, 3), np.uint8)
    for x, y in spots:
        cv2.rectangle(frame, (x, y), (x + side - 1, y + side - 1), (255, 255, 255), -1)
    return frame


def test_a_face_is_found_with_its_landmarks(detector):
    (box,) = detector.detect(dark(240, 320, (160, 80)))

    assert (box.w, box.h) == pytest.approx((FACE, FACE), abs=0.1)
    assert box.center == pytest.approx((164, 84), abs=0.1)
    assert np.allclose(box.points, np.add(POINTS, (164, 84)), atol=0.1)


def test_each_frame_can_have_another_size(detector):
    for size in ((240, 320), (100, 90), (333, 517)):
        (box,) = detector.detect(dark(*size, (40, 48)))
        assert box.center == pytest.approx((44, 52), abs=0.1)


def test_boxes_in_a_large_frame_are_in_pixels_of_that_frame(detector):
    (box,) = detector.detect(dark(1080, 1920, (960, 480), side=24))

    assert box.center == pytest.approx((972, 492), abs=1)
    assert box.w == pytest.approx(3 * FACE, abs=1)
    assert box.points[2] == pytest.approx((972, 498), abs=1)


def test_of_overlapping_boxes_one_is_kept(detector):
    boxes = detector.detect(dark(240, 320, (40, 80), (48, 80), (200, 80)))

    assert len(boxes) == 2


def test_a_low_score_gives_no_face(detector):
    frame = dark(240, 320, (160, 80)) // 2

    assert detector.detect(frame) == []
    assert detector.detect(np.zeros((240, 320, 3), np.uint8)) == []


def test_faces_narrower_than_the_minimum_are_ignored(detector):
    assert detector.detect(dark(240, 320, (160, 80)), min_width=FACE + 2) == []


def test_boxes_of_a_search_near_the_last_box_are_in_pixels_of_the_frame(detector):
    frame = dark(240, 320, (160, 80), (16, 16))

    boxes = detector.detect_near(frame, Box(142, 62, FACE, FACE))

    assert len(boxes) == 1
    assert boxes[0].iou(Box(132, 52, FACE, FACE)) > 0.75
    assert boxes[0].points[2] == pytest.approx((164, 86), abs=8)


def test_a_search_at_the_edge_of_the_frame_does_not_fail(detector):
    assert detector.detect_near(dark(240, 320), Box(315, 236, 3, 3)) == []


def test_its_boxes_are_face_rectangles_already(detector):
    box = Box(1, 2, 3, 4, ((2, 3),) * 5)

    assert detector.face_box(box) == box


def test_the_name_depends_on_the_threshold(weights):
    assert YunetDetector(weights, min_score=0.8).name != YunetDetector(weights).name


def test_the_error_for_a_file_that_is_not_a_network_names_it(tmp_path):
    page = tmp_path / "page.onnx"
    page.write_text("<!doctype html>")

    with pytest.raises(WeightsInvalid, match=r"page\.onnx"):
        YunetDetector(page)
    with pytest.raises(WeightsInvalid, match=r"none\.onnx.*No such file"):
        YunetDetector(tmp_path / "none.onnx")
