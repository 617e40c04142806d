"""Cropping a face for the network and pasting the result back."""

from __future__ import annotations

import numpy as np
import pytest

from models.lipsync.network import CropArea
from models.musetalk.face import face_crop
from models.musetalk.face.face_crop import FaceSquare
from tests.models.golden import figures

AREA = CropArea(30, 90, 60, 110)


def full(area, value):
    return np.full((area.height, area.width), value, np.uint8)


@pytest.fixture
def frame():
    return figures.frame(120, 160, 3001)


def test_a_crop_is_the_face_alone(frame):
    frame[30:90, 60:110] = (10, 20, 30)

    crop = face_crop.crop_face(frame, AREA)

    assert crop.shape == (256, 256, 3)
    assert (crop == (10, 20, 30)).all()


def test_the_input_is_the_masked_face_then_the_whole_one(frame):
    crop = face_crop.crop_face(frame, AREA)

    hidden, whole = face_crop.masked_and_whole(crop)

    assert (hidden[:, 128:] == -1).all()
    assert (hidden[:, :128] == whole[:, :128]).all()
    assert np.allclose(whole, crop[..., ::-1].transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)


def test_the_square_is_one_and_a_half_times_the_face():
    assert FaceSquare.around(AREA) == FaceSquare(top=15, left=40, side=90)
    assert FaceSquare.around(AREA).local_area(AREA) == CropArea(15, 75, 20, 70)


def test_a_square_is_black_beyond_the_frame(frame):
    square = FaceSquare.around(CropArea(0, 60, 0, 60))

    picture = square.crop(frame)

    assert square == FaceSquare(-15, -15, 90)
    assert (picture[:15] == 0).all()
    assert (picture[:, :15] == 0).all()
    assert (picture[15:, 15:] == frame[:75, :75]).all()


@pytest.mark.parametrize("area", [AREA, CropArea(0, 60, 0, 60), CropArea(60, 120, 100, 160)])
def test_a_full_mask_gives_the_generated_face(frame, area):
    generated = np.full((256, 256, 3), (1, 128, 255), np.uint8)
    before = frame.copy()

    result = face_crop.paste(frame, area, generated, full(area, 255))

    assert (area.of(result) == (1, 128, 255)).all()
    area.of(result)[:] = area.of(before)
    assert (result == before).all()
    assert (frame == before).all()


def test_an_empty_mask_gives_the_frame(frame):
    result = face_crop.paste(frame, AREA, np.zeros((256, 256, 3), np.uint8), full(AREA, 0))

    assert (result == frame).all()


def test_a_mask_of_half_opacity_mixes_both(frame):
    frame[:] = 100
    generated = np.full((256, 256, 3), 200, np.uint8)

    result = face_crop.paste(frame, AREA, generated, full(AREA, 51))

    assert (result[30:90, 60:110] == 120).all()
