"""The guided filter moves soft edges onto those of the picture."""

from __future__ import annotations

import numpy as np

from models.inspyrenet.clips.edges import refine_edges


def step(edge, height=540, width=160):
    rgb = np.full((height, width, 3), 30, np.uint8)
    rgb[:, edge:] = 220
    return rgb


def soft(edge, height=540, width=160):
    ramp = np.clip((np.arange(width, dtype=np.float32) - edge) / 6 + 0.5, 0, 1)
    return ramp[np.newaxis].repeat(height, 0)


def test_a_soft_edge_becomes_as_sharp_as_that_of_the_picture():
    alpha, truth = soft(80), (step(80)[..., 0] > 100).astype(np.float32)

    refined = refine_edges(alpha, step(80))

    assert np.abs(refined - truth).mean() < 0.7 * np.abs(alpha - truth).mean()


def test_sure_pixels_do_not_change():
    alpha = soft(80)
    sure = (alpha <= 0.05) | (alpha >= 0.95)

    assert np.array_equal(refine_edges(alpha, step(70))[sure], alpha[sure])


def test_a_map_without_soft_pixels_is_returned_as_it_is():
    alpha = np.zeros((9, 9), np.float32)

    assert refine_edges(alpha, np.zeros((9, 9, 3), np.uint8)) is alpha
