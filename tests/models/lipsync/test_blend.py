"""A made face shows only where it should, and in the colours of the frame."""

from __future__ import annotations

import numpy as np
import pytest

from models.lipsync.blend import Feather, feathered, pasted, soft_mask
from models.lipsync.network import Area

AREA = Area(top=20, bottom=120, left=30, right=110)


@pytest.fixture
def frame():
    rng = np.random.default_rng(3)
    return rng.integers(60, 180, (160, 200, 3), dtype=np.uint8)


@pytest.fixture
def face():
    """What a network makes: the same upper half a bit darker, another lower half."""
    face = np.full((96, 96, 3), 100, np.uint8)
    face[48:] = 200
    return face


def test_nothing_changes_above_the_nose_or_outside(frame, face):
    result = feathered(frame, AREA, face, Feather(1, 0))

    changed = (result != frame).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert rows.min() >= AREA.top + 0.42 * AREA.height - 1
    assert rows.max() < AREA.bottom
    assert (columns.min(), columns.max()) >= (AREA.left, AREA.left)
    assert columns.max() < AREA.right


def test_the_mouth_is_the_made_one_in_the_frames_colours(frame):
    grey = np.full((160, 200, 3), 130, np.uint8)
    face = np.full((96, 96, 3), 100, np.uint8)
    face[60:84] = 150

    result = feathered(grey, AREA, face, Feather(1, 0))

    middle = result[AREA.top + 75, (AREA.left + AREA.right) // 2]
    assert middle.tolist() == pytest.approx([180] * 3, abs=2)


def test_there_is_no_visible_edge():
    grey = np.full((160, 200, 3), 130, np.uint8)
    face = np.full((96, 96, 3), 130, np.uint8)
    face[40:] = 200

    result = feathered(grey, AREA, face, Feather(1, 0)).astype(int)

    assert np.abs(np.diff(result[..., 0], axis=1)).max() <= 14
    assert np.abs(np.diff(result[..., 0], axis=0)).max() <= 14


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_strength_goes_back_to_the_frame(strength):
    grey = np.full((160, 200, 3), 130, np.uint8)
    face = np.full((96, 96, 3), 130, np.uint8)
    face[48:] = 200

    result = feathered(grey, AREA, face, Feather(strength, 0))

    assert result[AREA.top + 75, 70, 0] == pytest.approx(130 + 70 * strength, abs=1)


def test_a_mask_says_where_the_made_face_shows():
    grey = np.full((160, 200, 3), 130, np.uint8)
    face = np.full((96, 96, 3), 130, np.uint8)
    face[48:] = 200
    mask = np.zeros((AREA.height, AREA.width), np.uint8)
    mask[70:80, 30:50] = 255

    result = feathered(grey, AREA, face, Feather(mask=mask))

    changed = (result != grey).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max()) == (AREA.top + 70, AREA.top + 79)
    assert (columns.min(), columns.max()) == (AREA.left + 30, AREA.left + 49)


def test_sharpening_raises_contrast(frame):
    face = np.full((96, 96, 3), 100, np.uint8)
    face[:, 48:] = 140

    plain = feathered(frame, AREA, face, Feather(1, 0))
    sharp = feathered(frame, AREA, face, Feather(1, 1))

    row = AREA.top + 75
    assert np.ptp(sharp[row, 50:90].astype(int)) > np.ptp(plain[row, 50:90].astype(int))


def test_the_frame_itself_is_left_alone(frame, face):
    before = frame.copy()

    feathered(frame, AREA, face, Feather(1, 1))
    pasted(frame, AREA, face)

    assert (frame == before).all()


def test_a_hard_paste_covers_the_whole_area(frame, face):
    result = pasted(frame, AREA, face)

    assert (result[AREA.top + 5, AREA.left : AREA.right] == 100).all()
    assert (result[: AREA.top] == frame[: AREA.top]).all()


@pytest.mark.parametrize(("height", "width"), [(2, 2), (16, 400), (400, 16), (97, 131)])
def test_a_mask_of_any_size_is_soft(height, width):
    mask = soft_mask(height, width)

    assert mask.shape == (height, width)
    assert (mask >= 0).all()
    assert (mask <= 1).all()
    assert (mask[: int(0.42 * height)] == 0).all()
