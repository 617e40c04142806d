"""The mask of the generated face that is pasted into the frame."""

from __future__ import annotations

import numpy as np
import pytest

from models.lipsync.network import CropArea
from models.musetalk.face import mask
from models.musetalk.face.face_crop import FaceSquare
from models.musetalk.face.mask import MaskSmoother, Mode

AREA = CropArea(100, 300, 120, 280)
SQUARE = FaceSquare.around(AREA)


@pytest.fixture
def labels():
    """A face: skin with a nose and a mouth in it, and a neck below; hair above."""
    labels = np.zeros((512, 512), np.uint8)
    labels[:150, :] = 17
    labels[150:400, 130:380] = 1
    labels[230:290, 240:270] = 10
    labels[300:310, 220:290] = 12
    labels[310:330, 220:290] = 11
    labels[330:340, 220:290] = 13
    labels[400:, 180:330] = 14
    return labels


def test_mode_raw_is_skin_and_mouth(labels):
    shown = mask.shown_region(labels, Mode.RAW)

    assert ((shown == 255) == np.isin(labels, (1, 11, 12, 13))).all()


def test_mode_neck_is_skin_mouth_and_neck(labels):
    shown = mask.shown_region(labels, Mode.NECK)

    assert ((shown == 255) == np.isin(labels, (1, 11, 12, 13, 14))).all()


def test_jaw_grows_the_skin_below_the_chin_and_not_the_cheeks(labels):
    shown = mask.shown_region(labels) == 255

    middle, cheek = shown[:, 200], shown[:, 140]
    assert middle[400:406].all()
    assert not middle[407:].any()
    assert not shown[300, :150].any()
    assert cheek.sum() < middle.sum()
    assert shown[300:340, 220:290].all()


def test_jaw_leaves_the_middle_of_the_nose_alone(labels):
    labels[180:290, 220:290] = 10

    shown = mask.shown_region(labels)

    assert not shown[240, 255]


def test_narrower_cheeks_are_shrunk_over_more(labels):
    wide, narrow = (
        mask.shown_region(labels, cheeks=(90, 90)),
        mask.shown_region(labels, cheeks=(125, 125)),
    )

    assert wide.sum() < narrow.sum()
    assert (wide[:, 166:347] == narrow[:, 166:347]).all()


def test_a_mask_covers_only_the_lower_half_of_the_square():
    shown = mask.mask_of_region(np.full((512, 512), 255, np.uint8), SQUARE, AREA)

    kernel = 2 * int(0.05 * SQUARE.side // 2) + 1
    assert SQUARE.side == 300
    assert shown.shape == (200, 160)
    assert (shown[100 + kernel : 200 - kernel, kernel : 160 - kernel] == 255).all()
    assert (shown[: 100 - kernel] == 0).all()
    assert 100 < shown[:, 80][100] < 255
    assert 100 < shown[150, 0] < 255


def test_an_oval_fades_out_within_the_area():
    shown = mask.oval_mask(SQUARE, AREA)

    border = np.concatenate((shown[0], shown[-1], shown[:, 0], shown[:, -1]))
    assert border.max() <= 3
    assert shown[140, 80] == 255
    assert (shown[:70] == 0).all()
    assert np.abs(np.diff(shown.astype(int), axis=0)).max() < 40


@pytest.mark.parametrize(
    "area", [CropArea(0, 2, 0, 2), CropArea(0, 3, 0, 40), CropArea(10, 13, 10, 13)]
)
def test_the_smallest_areas_have_masks(area):
    square = FaceSquare.around(area)

    for shown in (
        mask.oval_mask(square, area),
        mask.mask_of_region(np.full((512, 512), 255, np.uint8), square, area),
    ):
        assert shown.shape == (area.height, area.width)


def test_a_smoothed_region_changes_slowly_except_at_a_cut():
    calm, first = MaskSmoother(), np.zeros((512, 512), np.uint8)
    moved, other = first.copy(), np.full_like(first, 255)
    moved[:10] = 255

    assert (calm(first) == first).all()
    assert 0 < calm(moved)[0, 0] < 255
    assert (calm(other) == other).all()
