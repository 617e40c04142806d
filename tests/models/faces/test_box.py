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


MARKED = Box(10, 10, 20, 20, ((15.0, 15.0), (25.0, 20.0)))


def test_points_move_along_with_their_box():
    assert MARKED.moved(5, -1).points == ((20, 14), (30, 19))
    assert MARKED.enlarged(2) == Box(20, 20, 40, 40, ((30, 30), (50, 40)))
    assert MARKED.lerp(MARKED.moved(10, 0), 0.5) == MARKED.moved(5, 0)
    assert MARKED.face_shaped().points == MARKED.points


def test_a_box_is_made_of_its_numbers():
    assert Box.of(MARKED.numbers) == MARKED


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
def test_near_is_less_than_a_width_away_and_of_like_size(other, near):
    assert MARKED.near(other) is near
    assert other.near(MARKED) is near
