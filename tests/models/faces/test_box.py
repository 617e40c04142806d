import numpy as np
import pytest

from models.faces.box import Box


def test_iou_is_one_for_equal_boxes_and_zero_for_distant_ones():
    box = Box(10, 20, 30, 40)

    same, apart = box.iou(Box(10, 20, 30, 40)), box.iou(Box(100, 100, 5, 5))

    assert (same, apart) == (1, 0)


def test_iou_of_boxes_shifted_by_half_is_a_third():
    assert Box(0, 0, 10, 10).iou(Box(5, 0, 10, 10)) == pytest.approx(1 / 3)


def test_iou_of_empty_boxes_is_zero():
    assert Box(0, 0, 0, 0).iou(Box(0, 0, 0, 0)) == 0


def test_lerp_interpolates_linearly():
    middle = Box(0, 0, 10, 10).lerp(Box(20, 10, 30, 10), 0.5)

    assert middle == Box(10, 5, 20, 10)


def test_expanding_keeps_the_center():
    box = Box(10, 10, 20, 20).expanded(2)

    assert box == Box(0, 0, 40, 40)


def test_clipping_keeps_the_part_inside_the_frame():
    assert Box(-10, 90, 30, 30).clipped(100, 100) == Box(0, 90, 20, 10)


def test_a_box_outside_the_frame_is_clipped_to_an_empty_one():
    assert Box(200, 10, 30, 30).clipped(100, 100).area == 0


def test_a_face_rectangle_is_narrower_than_the_haar_square_and_extends_to_the_chin():
    face = Box(100, 100, 100, 100).haar_to_face()

    assert (face.x, face.y) == (108, 100)
    assert (face.w, face.h) == pytest.approx((84, 115))


MARKED = Box(10, 10, 20, 20, ((15.0, 15.0), (25.0, 20.0)))


def test_landmarks_move_with_their_box():
    assert MARKED.moved(5, -1).points == ((20, 14), (30, 19))
    assert MARKED.scaled(2) == Box(20, 20, 40, 40, ((30, 30), (50, 40)))
    assert MARKED.lerp(MARKED.moved(10, 0), 0.5) == MARKED.moved(5, 0)
    assert MARKED.haar_to_face().points == MARKED.points


def test_a_box_is_restored_from_its_vector():
    assert Box.from_vector(MARKED.vector) == MARKED


@pytest.mark.parametrize(
    ("other", "near"),
    [
        (Box(14, 10, 20, 20), True),
        (Box(25, 10, 20, 20), True),
        (Box(27, 10, 20, 20), False),
        (Box(5, 5, 31, 31), True),
        (Box(3, 3, 34, 34), False),
    ],
)
def test_near_boxes_are_close_together_and_of_similar_size(other, near):
    assert MARKED.is_near(other) is near
    assert other.is_near(MARKED) is near


@pytest.mark.parametrize(
    ("angle", "turns"), [(0, 0), (30, 0), (-44, 0), (85, 1), (100, 1), (180, 2), (-90, 3)]
)
def test_a_tilted_box_is_found_again_in_a_frame_turned_by_quarters(angle, turns):
    frame = np.zeros((60, 100), np.uint8)
    frame[30, 20] = 1
    box = Box(20.5 - 5, 30.5 - 8, 10, 16, ((20.5, 30.5),), angle)

    turned = box.in_turned_frame(100, 60)

    assert box.quarter_turns == turns
    assert abs(turned.angle) < 45
    x, y = turned.center
    assert np.rot90(frame, turns)[int(y), int(x)] == 1
    assert turned.points[0] == pytest.approx((x, y))
    assert (turned.w, turned.h) == (10, 16)
