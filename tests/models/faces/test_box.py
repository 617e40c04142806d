import pytest

from models.faces.box import Box


def test_equal_boxes_overlap_wholly_and_distant_ones_not_at_all():
    box = Box(10, 20, 30, 40)

    same, apart = box.iou(Box(10, 20, 30, 40)), box.iou(Box(100, 100, 5, 5))

    assert (same, apart) == (1, 0)


def test_half_shifted_boxes_share_a_third():
    assert Box(0, 0, 10, 10).iou(Box(5, 0, 10, 10)) == pytest.approx(1 / 3)


def test_empty_boxes_share_nothing():
    assert Box(0, 0, 0, 0).iou(Box(0, 0, 0, 0)) == 0


def test_lerp_goes_in_a_straight_line():
    middle = Box(0, 0, 10, 10).lerp(Box(20, 10, 30, 10), 0.5)

    assert middle == Box(10, 5, 20, 10)


def test_scaling_keeps_the_center():
    box = Box(10, 10, 20, 20).scaled(2)

    assert box == Box(0, 0, 40, 40)


def test_clipping_leaves_the_part_inside_the_frame():
    assert Box(-10, 90, 30, 30).clipped(100, 100) == Box(0, 90, 20, 10)


def test_a_box_outside_the_frame_clips_to_nothing():
    assert Box(200, 10, 30, 30).clipped(100, 100).area == 0


def test_a_face_is_narrower_than_the_haar_square_and_reaches_the_chin():
    face = Box(100, 100, 100, 100).face_shaped()

    assert (face.x, face.y) == (108, 100)
    assert (face.w, face.h) == pytest.approx((84, 115))
