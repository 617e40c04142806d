"""A face on its way to the network and back."""

from __future__ import annotations

import numpy as np
import pytest

from models.lipsync.network import Area
from models.musetalk.face import face_crop
from models.musetalk.face.face_crop import Square
from tests.models.golden import figures

AREA = Area(30, 90, 60, 110)


def full(area, value):
    return np.full((area.height, area.width), value, np.uint8)


@pytest.fixture
def frame():
    return figures.frame(120, 160, 3001)


def test_a_crop_is_the_face_alone(frame):
    frame[30:90, 60:110] = (10, 20, 30)

    crop = face_crop.crop(frame, AREA)

    assert crop.shape == (256, 256, 3)
    assert (crop == (10, 20, 30)).all()


def test_the_lower_half_is_hidden_first_and_whole_then(frame):
    crop = face_crop.crop(frame, AREA)

    hidden, whole = face_crop.hidden_and_whole(crop)

    assert (hidden[:, 128:] == -1).all()
    assert (hidden[:, :128] == whole[:, :128]).all()
    assert np.allclose(whole, crop[..., ::-1].transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)


def test_the_square_is_half_as_large_again():
    assert Square.about(AREA) == Square(top=15, left=40, side=90)
    assert Square.about(AREA).within(AREA) == Area(15, 75, 20, 70)


def test_a_square_that_leaves_the_frame_is_black_there(frame):
    square = Square.about(Area(0, 60, 0, 60))

    picture = square.cut(frame)

    assert square == Square(-15, -15, 90)
    assert (picture[:15] == 0).all()
    assert (picture[:, :15] == 0).all()
    assert (picture[15:, 15:] == frame[:75, :75]).all()


@pytest.mark.parametrize("area", [AREA, Area(0, 60, 0, 60), Area(60, 120, 100, 160)])
def test_a_mask_that_shows_all_gives_the_made_face(frame, area):
    made = np.full((256, 256, 3), (1, 128, 255), np.uint8)
    before = frame.copy()

    result = face_crop.paste(frame, area, made, full(area, 255))

    assert (area.of(result) == (1, 128, 255)).all()
    area.of(result)[:] = area.of(before)
    assert (result == before).all()
    assert (frame == before).all()


def test_a_mask_that_shows_nothing_gives_the_frame(frame):
    result = face_crop.paste(frame, AREA, np.zeros((256, 256, 3), np.uint8), full(AREA, 0))

    assert (result == frame).all()


def test_half_a_mask_mixes_the_two(frame):
    frame[:] = 100
    made = np.full((256, 256, 3), 200, np.uint8)

    result = face_crop.paste(frame, AREA, made, full(AREA, 51))

    assert (result[30:90, 60:110] == 120).all()
