"""The position and size of the face box."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.faces.box import Box
from models.lipsync.network import CropArea
from models.musetalk.face import box
from models.musetalk.face.face_box import FaceBoxTracker
from models.musetalk.face.landmarks import LandmarkDetector
from tests.models.musetalk.bright import bright_spot_model

FRAME = np.zeros((400, 600, 3), np.uint8)
FACE = Box(200, 100, 100, 130)


@pytest.fixture
def points():
    """Points of a face from x 180 to 320 whose bridge is at y 150 and whose chin is at 250."""
    points = np.full((68, 2), (250.0, 200.0))
    points[0], points[16], points[8], points[29] = (180, 130), (320, 130), (250, 250), (250, 150)
    return points


FIVE = ((225, 140), (275, 140), (250, 170), (230, 200), (270, 200))


def test_a_box_is_centered_on_the_bridge_of_the_nose(points):
    assert box.from_landmarks(points) == Box(180, 50, 140, 200)


def test_a_box_is_clipped_at_the_top_of_the_frame(points):
    points[8, 1] = 390

    assert box.from_landmarks(points) == Box(180, 0, 140, 390)


@pytest.mark.parametrize("broken", ["left of the frame", "upside down", "all one point"])
def test_implausible_landmarks_give_no_box(points, broken):
    if broken == "left of the frame":
        points[0, 0] = -1
    elif broken == "upside down":
        points[:, 1] = 300 - points[:, 1]
        points[29, 1] = points[:, 1].max()
    else:
        points[:] = 5

    assert box.from_landmarks(points) is None


def test_five_points_put_the_center_two_thirds_down_to_the_nose():
    found = box.from_five_points(replace(FACE, points=FIVE))

    assert found.center[1] == pytest.approx(140 + 0.67 * 30)
    assert found.y + found.h == 230
    assert (found.x, found.w) == (200, 100)


def test_five_points_upside_down_give_the_face_rectangle():
    wrong = replace(FACE, points=FIVE[::-1])

    assert box.from_five_points(wrong) == wrong


def test_a_crop_area_extends_below_the_chin_and_stays_in_the_frame():
    assert box.crop_area(FACE, FRAME) == CropArea(100, 240, 200, 300)
    assert box.crop_area(FACE, FRAME, margin=0) == CropArea(100, 230, 200, 300)
    assert box.crop_area(Box(-20, 300, 100, 120), FRAME) == CropArea(300, 400, 0, 80)


@pytest.fixture(scope="module")
def landmarks(tmp_path_factory):
    path = tmp_path_factory.mktemp("dwpose") / "spot.onnx"
    path.write_bytes(bright_spot_model())
    return LandmarkDetector(path)


def spotted(x, y):
    frame = FRAME.copy()
    frame[y - 2 : y + 3, x - 2 : x + 3] = 255
    return frame


@pytest.mark.parametrize(("x", "y"), [(250, 165), (180, 90), (330, 250)])
def test_landmarks_are_found_where_they_are(landmarks, x, y):
    found = landmarks.detect(spotted(x, y), FACE)

    assert found.shape == (68, 2)
    assert np.abs(found - (x, y)).max() <= 2.5


def test_landmarks_with_a_low_score_are_dropped(landmarks):
    assert landmarks.detect(FRAME, FACE) is None


def test_without_points_the_rectangle_is_the_box():
    assert FaceBoxTracker(None)(FRAME, FACE) == CropArea(100, 240, 200, 300)


def test_with_five_points_the_box_follows_them():
    assert FaceBoxTracker(None)(FRAME, replace(FACE, points=FIVE)) == CropArea(90, 240, 200, 300)


class FixedLandmarks:
    """A landmark detector that always returns the same points, and counts its calls."""

    def __init__(self, points):
        self.points = points
        self.asked = 0

    def detect(self, frame, face):
        self.asked += 1
        return self.points


def test_between_landmarks_the_box_moves_with_the_face(points):
    landmarks = FixedLandmarks(points)
    tracker = FaceBoxTracker(landmarks, every=5)

    found = [tracker(FRAME, Box(200 + step, 100, 100, 130)) for step in range(5)]

    assert landmarks.asked == 1
    assert found[0] == CropArea(50, 260, 180, 320)
    assert found[4] == CropArea(50, 260, 184, 324)


def test_landmarks_are_detected_again_for_another_face(points):
    landmarks = FixedLandmarks(points)
    tracker = FaceBoxTracker(landmarks)

    tracker(FRAME, FACE)
    tracker(FRAME, Box(400, 100, 100, 130))

    assert landmarks.asked == 2
