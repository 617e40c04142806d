"""A generated face is pasted only inside its mask, in the colors of the frame."""

from __future__ import annotations

import numpy as np
import pytest

from models.lipsync.blend import FeatherOptions, blend_box, blend_feathered, soft_mask
from models.lipsync.network import CropArea

AREA = CropArea(top=20, bottom=120, left=30, right=110)


@pytest.fixture
def frame():
    rng = np.random.default_rng(3)
    return rng.integers(60, 180, (160, 200, 3), dtype=np.uint8)


@pytest.fixture
def face():
    """A generated face: the same upper half a bit darker, another lower half."""
    face = np.full((96, 96, 3), 100, np.uint8)
    face[48:] = 200
    return face


def test_nothing_changes_above_the_nose_or_outside(frame, face):
    result = blend_feathered(frame, AREA, face, FeatherOptions(1, 0))

    changed = (result != frame).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert rows.min() >= AREA.top + 0.42 * AREA.height - 1
    assert rows.max() < AREA.bottom
    assert (columns.min(), columns.max()) >= (AREA.left, AREA.left)
    assert columns.max() < AREA.right


def test_the_mouth_is_the_generated_one_in_the_colors_of_the_frame(frame):
    grey = np.full((160, 200, 3), 130, np.uint8)
    face = np.full((96, 96, 3), 100, np.uint8)
    face[60:84] = 150

    result = blend_feathered(grey, AREA, face, FeatherOptions(1, 0))

    middle = result[AREA.top + 75, (AREA.left + AREA.right) // 2]
    assert middle.tolist() == pytest.approx([180] * 3, abs=2)


def test_there_is_no_visible_edge():
    grey = np.full((160, 200, 3), 130, np.uint8)
    face = np.full((96, 96, 3), 130, np.uint8)
    face[40:] = 200

    result = blend_feathered(grey, AREA, face, FeatherOptions(1, 0)).astype(int)

    assert np.abs(np.diff(result[..., 0], axis=1)).max() <= 14
    assert np.abs(np.diff(result[..., 0], axis=0)).max() <= 14


@pytest.mark.parametrize("opacity", [0.0, 0.5])
def test_lower_opacity_shows_more_of_the_frame(opacity):
    grey = np.full((160, 200, 3), 130, np.uint8)
    face = np.full((96, 96, 3), 130, np.uint8)
    face[48:] = 200

    result = blend_feathered(grey, AREA, face, FeatherOptions(opacity, 0))

    assert result[AREA.top + 75, 70, 0] == pytest.approx(130 + 70 * opacity, abs=1)


def test_the_generated_face_shows_only_inside_the_mask():
    grey = np.full((160, 200, 3), 130, np.uint8)
    face = np.full((96, 96, 3), 130, np.uint8)
    face[48:] = 200
    mask = np.zeros((AREA.height, AREA.width), np.uint8)
    mask[70:80, 30:50] = 255

    result = blend_feathered(grey, AREA, face, FeatherOptions(mask=mask))

    changed = (result != grey).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max()) == (AREA.top + 70, AREA.top + 79)
    assert (columns.min(), columns.max()) == (AREA.left + 30, AREA.left + 49)


def test_sharpening_raises_contrast(frame):
    face = np.full((96, 96, 3), 100, np.uint8)
    face[:, 48:] = 140

    plain = blend_feathered(frame, AREA, face, FeatherOptions(1, 0))
    sharp = blend_feathered(frame, AREA, face, FeatherOptions(1, 1))

    row = AREA.top + 75
    assert np.ptp(sharp[row, 50:90].astype(int)) > np.ptp(plain[row, 50:90].astype(int))


def test_the_input_frame_is_not_modified(frame, face):
    before = frame.copy()

    blend_feathered(frame, AREA, face, FeatherOptions(1, 1))
    blend_box(frame, AREA, face)

    assert (frame == before).all()


def test_a_box_blend_covers_the_whole_area(frame, face):
    result = blend_box(frame, AREA, face)

    assert (result[AREA.top + 5, AREA.left : AREA.right] == 100).all()
    assert (result[: AREA.top] == frame[: AREA.top]).all()


@pytest.mark.parametrize(("height", "width"), [(2, 2), (16, 400), (400, 16), (97, 131)])
def test_a_mask_of_any_size_has_soft_edges(height, width):
    mask = soft_mask(height, width)

    assert mask.shape == (height, width)
    assert (mask >= 0).all()
    assert (mask <= 1).all()
    assert (mask[: int(0.42 * height)] == 0).all()
