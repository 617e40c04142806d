"""The position of a face in the network's picture is steady while its landmarks tremble."""

from __future__ import annotations

import numpy as np
import pytest

from models.faces.box import Box
from models.faces.tracking.box_smoothing import smooth_boxes
from models.faces.tracking.tracked_frame import TrackedFrame
from models.latentsync import geometry, points
from tests.models.latentsync.test_patch import EYES

SIZE = 256
FRAMES = 50
FRAME = np.zeros((4, 4, 3), np.uint8)


def trembling(pixels, speed):
    """A face that moves to the right, with landmarks that are off by some pixels in each frame."""
    chance = np.random.default_rng(5)
    for number in range(FRAMES):
        noise = chance.normal(0, pixels, (len(EYES), 2))
        found = np.array(EYES) + noise + (number * speed, 0)
        shift = number * speed
        yield TrackedFrame(FRAME, Box(55 + shift, 20, 90, 110, tuple(map(tuple, found.tolist()))))


def positions(tracked, speed):
    """Where the true middle of the eyes is in the network's picture, frame by frame."""
    found = []
    for number, one in enumerate(tracked):
        matrix = geometry.align(points.brows_and_nose(one.box), SIZE)
        found.append(matrix @ (100 + number * speed, 60, 1))
    return np.array(found)


@pytest.mark.parametrize("speed", [0.0, 2.0])
def test_smoothed_landmarks_take_most_of_the_tremble_without_lag(speed):
    raw = positions(trembling(0.7, speed), speed)
    steady = positions(smooth_boxes(trembling(0.7, speed), 0.5, 25), speed)
    exact = positions(trembling(0, speed), speed)

    tremble, left = (np.diff(found, axis=0).std() for found in (raw, steady))
    assert left < 0.4 * tremble
    assert np.abs((steady - exact).mean(axis=0)).max() < 0.5


def test_the_matrix_is_not_rounded_to_half_precision():
    """In float16 alone, as in the authors' code, a face of a wide frame is off by half a pixel."""
    far = np.array(((1500.0, 480.0), (1640.0, 484.0), (1568.0, 560.0)))

    matrix = geometry.align(far, SIZE)

    exact, rounded = (
        np.column_stack((far, np.ones(3))) @ m.T
        for m in (matrix, matrix.astype(np.float16).astype(np.float64))
    )
    assert matrix.dtype == np.float64
    assert np.abs(exact - rounded).max() > 0.2
