"""Cropping a face for the network and pasting the result back."""

from __future__ import annotations

import numpy as np
import pytest

from models.wav2lip.face_crop import paste, prepare
from tests.models.golden import figures

FACTS = figures.read("wav2lip")
BOX = tuple(FACTS["preprocess"]["box_y1y2x1x2"])


@pytest.fixture
def frame():
    return figures.frame(120, 160, 3001)


def test_the_frame_is_the_recorded_one(frame):
    facts = FACTS["preprocess"]["frame"]

    assert frame.ravel()[:6].tolist() == facts["first6"]
    assert int(frame.sum()) == facts["sum"]


def test_prepare_equals_the_authors_code(frame):
    figures.assert_like(
        prepare(frame, BOX), FACTS["preprocess"]["network_face_input"], atol=1 / 255
    )


def test_paste_back_equals_the_authors_code(frame):
    face = figures.array(FACTS["paste_back"]["pred"])
    before = frame.copy()

    result = paste(frame, BOX, face)

    figures.assert_like(result, FACTS["paste_back"]["result"], atol=1)
    assert abs(result.mean() - FACTS["paste_back"]["result"]["mean"]) < 0.01
    y1, y2, x1, x2 = BOX
    outside = np.ones(frame.shape[:2], bool)
    outside[y1:y2, x1:x2] = False
    assert (result[outside] == before[outside]).all()
    assert (frame == before).all()
