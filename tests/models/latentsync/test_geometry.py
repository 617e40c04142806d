"""Alignment and paste-back give the authors' figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.latentsync import geometry
from tests.models.golden import figures
from tests.models.latentsync.formula import FACTS, array, smooth_frame

GOLDEN = FACTS["geometry"]
FRAMES = GOLDEN["alignment"]["frames"]
MATRIX = np.array(FRAMES[0]["matrix"])


@pytest.fixture(scope="module")
def frame():
    facts = GOLDEN["warp"]["frame"]
    return smooth_frame(facts["height"], facts["width"], facts["key_index"])


@pytest.mark.parametrize("facts", FRAMES)
def test_the_matrix_is_that_of_the_authors(facts):
    found = geometry.align(facts["points"], 256)

    difference = np.abs(found - facts["matrix_without_offset"])
    assert found.dtype == np.float64
    assert difference[:, :2].max() < 5e-6
    assert difference[:, 2].max() < 1e-3


@pytest.mark.parametrize("size", [256, 512])
def test_the_template_is_aligned_with_itself(size):
    template = GOLDEN[f"template_{size}"]["template"]

    assert np.allclose(geometry.align(template, size), [[1, 0, 0], [0, 1, 0]], atol=1e-12)


def test_a_mirrored_face_is_not_mirrored_back():
    left, right, nose = GOLDEN["template_256"]["template"]

    matrix = geometry.align([right, left, nose], 256)

    assert np.linalg.det(matrix[:, :2]) > 0


def test_the_aligned_face_is_that_of_the_authors(frame):
    found = geometry.warp(frame, MATRIX, 256)

    facts = GOLDEN["warp"]["resized"]
    samples = found.ravel()[facts["sample_flat_index"]].astype(int)
    assert found.dtype == np.uint8
    assert list(found.shape) == facts["shape"]
    assert abs(found.mean() - facts["mean"]) < 0.05
    assert np.abs(samples - facts["sample_value"]).max() <= 1


def test_outside_the_frame_the_face_is_gray(frame):
    far_away = geometry.align([[1000, 1000], [1040, 1000], [1020, 1030]], 256)

    assert (geometry.warp(frame, far_away, 256) == 127).all()


def test_the_frame_with_the_face_is_that_of_the_authors(frame):
    facts = GOLDEN["restore"]
    face = array(facts["face"])

    found = geometry.restore(frame, face, MATRIX)

    samples = found.ravel()[facts["output"]["sample_flat_index"]].astype(int)
    figures.assert_like(geometry.shrink(face), facts["resized_face"], atol=1e-4)
    assert abs(found.mean() - facts["output"]["mean"]) < 0.05
    assert np.abs(samples - facts["output"]["sample_value"]).max() <= 1
    assert abs((found != frame).any(axis=2).sum() - facts["changed_pixels"]) < 0.01 * found.size


def test_a_face_of_a_few_pixels_leaves_the_frame_unchanged(frame):
    matrix = geometry.align([[50, 50], [53, 50], [51.5, 52]], 256)

    found = geometry.restore(frame, torch.zeros(3, 256, 256), matrix)

    assert np.array_equal(found, frame)
    assert found is not frame
