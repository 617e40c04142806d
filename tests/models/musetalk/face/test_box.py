"""Where the box of a face lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.faces.box import Box
from models.lipsync.network import Area
from models.musetalk.face import box
from models.musetalk.face.face_box import Placer
from models.musetalk.face.landmarks import Landmarks
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


def test_a_box_is_as_high_above_the_bridge_as_below(points):
    assert box.by_landmarks(points) == Box(180, 50, 140, 200)


def test_a_box_does_not_leave_the_frame_at_the_top(points):
    points[8, 1] = 390

    assert box.by_landmarks(points) == Box(180, 0, 140, 390)


@pytest.mark.parametrize("broken", ["left of the frame", "upside down", "all one point"])
def test_landmarks_without_a_box(points, broken):
    if broken == "left of the frame":
        points[0, 0] = -1
    elif broken == "upside down":
        points[:, 1] = 300 - points[:, 1]
        points[29, 1] = points[:, 1].max()
    else:
        points[:] = 5

    assert box.by_landmarks(points) is None


def test_five_points_place_the_middle_two_thirds_down_to_the_nose():
    found = box.by_five(replace(FACE, points=FIVE))

    assert found.center[1] == pytest.approx(140 + 0.67 * 30)
    assert found.y + found.h == 230
    assert (found.x, found.w) == (200, 100)


def test_five_points_on_their_head_leave_the_rectangle():
    wrong = replace(FACE, points=FIVE[::-1])

    assert box.by_five(wrong) == wrong


def test_an_area_reaches_below_the_chin_and_stays_in_the_frame():
    assert box.area(FACE, FRAME) == Area(100, 240, 200, 300)
    assert box.area(FACE, FRAME, margin=0) == Area(100, 230, 200, 300)
    assert box.area(Box(-20, 300, 100, 120), FRAME) == Area(300, 400, 0, 80)


@pytest.fixture(scope="module")
def landmarks(tmp_path_factory):
    path = tmp_path_factory.mktemp("dwpose") / "spot.onnx"
    path.write_bytes(bright_spot_model())
    return Landmarks(path)


def spotted(x, y):
    frame = FRAME.copy()
    frame[y - 2 : y + 3, x - 2 : x + 3] = 255
    return frame


@pytest.mark.parametrize(("x", "y"), [(250, 165), (180, 90), (330, 250)])
def test_landmarks_are_found_where_they_are(landmarks, x, y):
    found = landmarks.find(spotted(x, y), FACE)

    assert found.shape == (68, 2)
    assert np.abs(found - (x, y)).max() <= 2.5


def test_landmarks_that_are_not_sure_are_none(landmarks):
    assert landmarks.find(FRAME, FACE) is None


def test_without_points_the_rectangle_is_the_box():
    assert Placer(None)(FRAME, FACE) == Area(100, 240, 200, 300)


def test_with_five_points_they_place_it():
    assert Placer(None)(FRAME, replace(FACE, points=FIVE)) == Area(90, 240, 200, 300)


class Still:
    """Landmarks that always lie at the same place, and that count how often they are asked."""

    def __init__(self, points):
        self.points = points
        self.asked = 0

    def find(self, frame, face):
        self.asked += 1
        return self.points


def test_between_landmarks_the_box_moves_with_the_face(points):
    landmarks = Still(points)
    placer = Placer(landmarks, every=5)

    found = [placer(FRAME, Box(200 + step, 100, 100, 130)) for step in range(5)]

    assert landmarks.asked == 1
    assert found[0] == Area(50, 260, 180, 320)
    assert found[4] == Area(50, 260, 184, 324)


def test_another_face_is_looked_at_anew(points):
    landmarks = Still(points)
    placer = Placer(landmarks)

    placer(FRAME, FACE)
    placer(FRAME, Box(400, 100, 100, 130))

    assert landmarks.asked == 2
