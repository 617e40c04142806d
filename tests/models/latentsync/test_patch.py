"""The three points of a face, and the rectangle with which a generated face is put back."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from models.faces.box import Box
from models.latentsync import geometry, patch, points, sampling
from models.latentsync.mask import keep_mask
from tests.models.latentsync.formula import smooth_frame

EYES = ((80.0, 60.0), (120.0, 60.0), (100.0, 82.0), (85.0, 100.0), (115.0, 100.0))
UPRIGHT = Box(55, 20, 90, 110, EYES)
SIZE = 256


@pytest.fixture(scope="module")
def frame():
    return cv2.GaussianBlur(smooth_frame(160, 200, 1), (0, 0), 2)


@pytest.fixture(scope="module")
def area(frame):
    return patch.aligned_area(geometry.align(points.brows_and_nose(UPRIGHT), SIZE), SIZE, frame)


def test_the_points_of_a_mean_face_with_these_eyes():
    found = points.brows_and_nose(replace(UPRIGHT, points=EYES[:2]))

    assert np.allclose(found, [[77.2, 48], [122.8, 48], [100, 81.2]])


def nose_of(tip):
    return points.brows_and_nose(replace(UPRIGHT, points=(*EYES[:2], tip, *EYES[3:])))[2]


def test_the_nose_follows_its_tip_when_the_head_turns_or_nods():
    ahead, turned, nodding = nose_of((100, 82.8)), nose_of((110, 82.8)), nose_of((100, 92.8))

    assert np.allclose(ahead, [100, 81.2])
    assert np.allclose(turned - ahead, [5.6, 0])
    assert np.allclose(nodding - ahead, [0, 9.298], atol=1e-3)


def test_eyes_at_one_point_are_no_error():
    face = replace(UPRIGHT, points=((90.0, 60.0), (90.0, 60.0), (90.0, 80.0)))

    assert np.isfinite(points.brows_and_nose(face)).all()


def test_the_points_of_a_tilted_face_are_tilted():
    turn = cv2.getRotationMatrix2D((100, 80), -20, 1)

    found = points.brows_and_nose(UPRIGHT.transformed(turn.tolist(), 20))

    expected = points.brows_and_nose(UPRIGHT) @ turn[:, :2].T + turn[:, 2]
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("angle", [0, 15, -30])
def test_a_box_without_landmarks_has_points_in_its_middle(angle):
    box = Box(55, 20, 90, 110, (), angle)

    left, right, nose = points.brows_and_nose(box)

    tilt = np.degrees(np.arctan2(*(right - left)[::-1]))
    assert abs(tilt - angle) < 1e-6
    assert np.hypot(*(nose - box.center)) < 0.2 * box.h
    assert np.dot(nose - (left + right) / 2, (-np.sin(np.radians(angle)), 1)) > 0


def test_the_area_lies_in_the_frame_around_the_face(frame, area):
    matrix = geometry.align(points.brows_and_nose(UPRIGHT), SIZE)
    part = np.ascontiguousarray(area.of(frame))

    whole = geometry.warp(frame, matrix, SIZE)

    assert part.shape == (area.height, area.width, 3)
    assert np.abs(geometry.warp(part, area.transform, SIZE).astype(int) - whole).max() <= 1


def test_an_unchanged_face_leaves_the_frame_nearly_unchanged(frame, area):
    part = np.ascontiguousarray(area.of(frame)[:, :, ::-1])
    face = sampling.pixels(geometry.warp(part, area.transform, SIZE))

    found = patch.to_area(face, area, area.of(frame))

    assert np.abs(found.astype(int) - area.of(frame)).mean() < 1.5


def test_outside_of_the_aligned_face_the_frame_stays(frame):
    tilted = UPRIGHT.transformed(cv2.getRotationMatrix2D((100, 80), -25, 1).tolist(), 25)
    area = patch.aligned_area(geometry.align(points.brows_and_nose(tilted), SIZE), SIZE, frame)

    found = patch.to_area(torch.ones(3, SIZE, SIZE), area, area.of(frame))

    white = (found == 255).all(axis=2)
    assert white[area.height // 2, area.width // 2]
    assert np.array_equal(found[~white], area.of(frame)[~white])
    assert (~white).mean() > 0.1


def test_only_the_lower_face_shows_with_soft_edges(area):
    found = patch.opacity(keep_mask(SIZE), area)

    rows = found.max(axis=1) > 128
    assert found.shape == (area.height, area.width)
    assert not rows[: area.height // 4].any()
    assert rows[area.height // 2 : area.height * 3 // 4].all()
    assert found[:2].max() == found[-2:].max() == found[:, :2].max() == found[:, -2:].max() == 0
    assert np.abs(np.diff(found.astype(int), axis=0)).max() < 80


def test_the_color_of_a_face_is_that_of_its_surroundings():
    keep = keep_mask(SIZE)
    source = torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    shift = torch.tensor([0.1, -0.2, 0.05])[:, None, None]
    hole = torch.from_numpy(keep < 1)

    generated = torch.where(hole, torch.zeros(()), source - shift)

    assert torch.allclose(patch.color_offset(generated, source, keep), shift, atol=1e-5)


@pytest.mark.parametrize("place", [(-300, -300), (5000, 40), (190, 150)])
def test_a_face_beyond_the_frame_has_an_area_inside(frame, place):
    area = patch.aligned_area(
        geometry.align(points.brows_and_nose(UPRIGHT.moved(*place)), SIZE), SIZE, frame
    )

    face = patch.to_area(torch.zeros(3, SIZE, SIZE), area, area.of(frame))

    assert face.shape == area.of(frame).shape
    assert patch.opacity(keep_mask(SIZE), area).shape == face.shape[:2]


def test_colors_that_differ_otherwise_at_each_edge_leave_none_of_them_visible():
    """A gain and a ramp from left to right, as a decoder and a shadow give them."""
    keep = keep_mask(SIZE)
    source = sampling.pixels(cv2.GaussianBlur(smooth_frame(SIZE, SIZE, 3), (0, 0), 9))
    wrong = 0.9 * source + torch.linspace(-0.15, 0.15, SIZE)
    edge = torch.from_numpy(cv2.morphologyEx(1 - keep, cv2.MORPH_GRADIENT, np.ones((5, 5)))) > 0

    corrected = wrong + patch.color_offset(wrong, source, keep)

    left = (corrected - source)[:, edge].abs().mean()
    assert left < 0.35 * (wrong - source)[:, edge].abs().mean()
    assert left < 0.35 * (wrong - source - (wrong - source).mean())[:, edge].abs().mean()


def small_area(shift=0.0, width=40):
    """The area of a face that is much smaller in the frame than for the network."""
    eyes = [(60 + shift, 60), (60 + shift + width, 60), (60 + shift + width / 2, 60 + width / 2)]
    frame = np.full((160, 200, 3), 128, np.uint8)
    return patch.aligned_area(geometry.align(eyes, SIZE), SIZE, frame), frame


def test_fine_lines_of_a_small_face_do_not_flicker_as_it_moves():
    stripes = torch.ones(3, SIZE, SIZE)
    stripes[:, :, ::3] = -1
    faces = []

    for shift in (0.0, 0.5):
        area, frame = small_area(shift)
        faces.append(patch.to_area(stripes, area, area.of(frame)).astype(int))

    height, width = (min(face.shape[axis] for face in faces) for axis in (0, 1))
    middle = slice(height // 3, height * 2 // 3), slice(width // 3, width * 2 // 3)
    first, second = (face[middle] for face in faces)
    assert area.scale > 2
    assert first.std() < 12
    assert np.abs(first - second).mean() < 8


@pytest.mark.parametrize("factor", [0.4, 1.0, 1.1])
def test_an_image_that_does_not_become_smaller_stays_as_it_is(factor):
    image = smooth_frame(20, 20, 4)

    assert patch.smoothed(image, factor) is image
